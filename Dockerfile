# Two images: of the service (`freerun serve`) and of the studio (`freerun studio`). See docs/serving.md.
#
#   docker build --target serve -t freerun-serve .
#   docker build --target studio -t freerun-studio .

ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
WORKDIR /source
RUN python -m venv /opt/freerun
# the versions that the tests run with
COPY requirements/test.txt ./
RUN sed -n '/^[^ ].*==/s/ *\\$//p' test.txt > versions.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src

FROM build AS build-serve
RUN /opt/freerun/bin/pip install --no-cache-dir --constraint versions.txt '.[serve]'

FROM build AS build-studio
RUN /opt/freerun/bin/pip install --no-cache-dir --constraint versions.txt '.[studio]'

FROM python:${PYTHON}-slim AS base
RUN useradd --uid 10001 --create-home freerun && install --directory --owner freerun /models /runs
ENV PATH=/opt/freerun/bin:$PATH PYTHONUNBUFFERED=1
USER 10001

FROM base AS studio
COPY --from=build-studio /opt/freerun /opt/freerun
WORKDIR /runs
VOLUME /runs
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8765), 4).close()"]
ENTRYPOINT ["freerun", "studio", "--host", "0.0.0.0", "--folder", "/runs", "--no-show"]

FROM base AS serve
COPY --from=build-serve /opt/freerun /opt/freerun
WORKDIR /models
EXPOSE 8766
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8766/health', timeout=4)"]
ENTRYPOINT ["freerun", "serve", "--host", "0.0.0.0"]
