/* One epoch of gradient descent on a simple recurrent network, fused: the floor for one sequence on one core.
   x, y: T values; W: H x H, V, b, r: H, c: 1; h: (T + 1) x H, g: H x H of scratch. Returns the mean squared error. */
#include <math.h>
#include <string.h>

enum { MOST = 512 };

float epoch(int T, int H, const float *x, const float *y, float *W, float *V, float *b, float *r, float *c,
            float rate, float *h, float *g) {
  float loss = 0, a[MOST], gV[MOST] = {0}, gb[MOST] = {0}, gr[MOST] = {0}, gc = 0, d[MOST] = {0};
  memset(h, 0, sizeof(float) * H);
  for (int t = 0; t < T; t++) {
    float *before = h + t * H, *after = before + H;
    for (int j = 0; j < H; j++) a[j] = x[t] * V[j] + b[j];
    for (int i = 0; i < H; i++)
      for (int j = 0; j < H; j++) a[j] += before[i] * W[i * H + j];
    for (int j = 0; j < H; j++) after[j] = tanhf(a[j]);
  }
  memset(g, 0, sizeof(float) * H * H);
  for (int t = T - 1; t >= 0; t--) {
    float *before = h + t * H, *after = before + H, out = c[0];
    for (int j = 0; j < H; j++) out += after[j] * r[j];
    float e = out - y[t];
    loss += e * e / T;
    e *= 2.0f / T;
    gc += e;
    for (int j = 0; j < H; j++) {
      gr[j] += e * after[j];
      a[j] = (d[j] + e * r[j]) * (1 - after[j] * after[j]);
      gb[j] += a[j];
      gV[j] += a[j] * x[t];
    }
    for (int i = 0; i < H; i++) {
      float sum = 0;
      for (int j = 0; j < H; j++) {
        g[i * H + j] += before[i] * a[j];
        sum += a[j] * W[i * H + j];
      }
      d[i] = sum;
    }
  }
  for (int i = 0; i < H * H; i++) W[i] -= rate * g[i];
  for (int j = 0; j < H; j++) V[j] -= rate * gV[j], b[j] -= rate * gb[j], r[j] -= rate * gr[j];
  c[0] -= rate * gc;
  return loss;
}
