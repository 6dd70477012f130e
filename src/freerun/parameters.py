"""`Parameters`: the constructor of `freerun.RNN`.

Written by `make parameters` from the fields of `freerun.settings.Settings`.
Change them, not this file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from freerun.settings import (
    Boundary,
    CellName,
    Device,
    Dtype,
    ForcingName,
    Initial,
    Nonlinearity,
    OptimizerName,
    ScheduleName,
)


class Parameters:
    """Stores the parameters of `freerun.RNN`."""

    def __init__(
        self,
        hidden: int | None = None,
        *,
        cell: CellName | None = None,
        layers: int = 1,
        latent: int | None = None,
        degree: int | None = None,
        nonlinearity: Nonlinearity = "tanh",
        direct: bool = True,
        model: Callable[..., object] | None = None,
        initial: Initial | None = None,
        spectral_radius: float | None = None,
        connectivity: float | None = None,
        input_scale: float | None = None,
        bias_scale: float | None = None,
        leak: float | None = None,
        seed: int = 0,
        delays: int | tuple[int, ...] | None = None,
        neighbours: int | Literal["auto"] | None = None,
        grid: tuple[int, ...] | None = None,
        boundary: Boundary = "periodic",
        difference: int | tuple[int, ...] | None = None,
        season: int | tuple[int, ...] | None = None,
        detrend: bool = False,
        log: bool = False,
        nonnegative: bool | None = None,
        standardize: bool = True,
        optimizer: OptimizerName | None = None,
        epochs: int | None = None,
        washout: int | None = None,
        l1: float = 0.0,
        l2: float | None = None,
        online: bool = False,
        weight_noise: float = 0.0,
        input_noise: float | None = None,
        measurement_noise: float | tuple[float, ...] | None = None,
        learning_rate: float | None = None,
        schedule: ScheduleName | None = None,
        window: int | None = None,
        batch: int | None = None,
        stateful: bool = False,
        forcing: ForcingName | None = None,
        forcing_strength: float | tuple[float, ...] | Literal["adaptive"] | None = None,
        forcing_interval: int | None = None,
        segment_lengths: tuple[int, ...] | None = None,
        select: Literal["forecast", "attractor", "auto"] = "auto",
        restarts: int | None = None,
        members: int | None = None,
        holdout: float | None = None,
        dtype: Dtype = "float64",
        device: Device = "auto",
        parallel: bool | None = None,
    ) -> None:
        """Store the parameters; `fit` checks them.

        A parameter that is None is chosen by `fit`, as its description says. `RNN()` tries windows
        of several lengths and leaky reservoirs, and keeps what runs free best over the last part of
        the training series.

        Args: Network
            hidden: Hidden units of each layer. Default: two thirds of the training steps for ridge,
                from 20 to 1000; else 15. At least 1.
            cell: Cell of the hidden units. Default: chosen, or simple. A memoryless cell has no
                recurrent weights; its memory is the values that it reads. plrnn and clipped-plrnn
                are shallow piecewise-linear cells. smoothing is a grid of exponential smoothers
                with level, damped trend and season. polynomial has no units, but the monomials of
                the values that it reads.
            layers: Layers of hidden units; the readout reads them all. At least 1.
            latent: Latent variables of a piecewise-linear cell. Default: a quarter of hidden. The
                default is never less than the number of channels. At least 1.
            degree: Highest degree of the monomials of a polynomial cell. Default: 2. The linear
                part are direct connections. At least 2 and at most 10.
            nonlinearity: Non-linearity of the hidden units.
            direct: Direct connections from the values read to the output.
            model: Known model of the system, an estimate of the next values, which the network
                reads and corrects: package.module:function on the command line. It maps values of
                shape (..., D), in the units of the series, to an estimate of the next values, and
                gets the external inputs of the next step, shape (..., E), if it needs a second
                argument. It is called from several threads.

        Args: Initial weights
            initial: How the initial weights are drawn. Default: reservoir for ridge, else glorot.
                cycle, delay-line, cycle-jumps and small-world are reservoirs of other connections.
                A reservoir that ridge does not train starts from its ridge readout.
            spectral_radius: Of a reservoir's recurrent weights. Default: chosen, or 0.9. At least
                0.
            connectivity: Share of the units of a reservoir that each of them is connected with.
                Default: all up to 1000 units, else 10 units; in a small world always 10 units. With
                200 units and more, and a share of at most 0.1, the weights are stored as a sparse
                matrix. Above 0 and at most 1.
            input_scale: Strength of a reservoir's input weights. Default: chosen, or 0.5. It is the
                standard deviation of what standardised values add to a unit. Above 0.
            bias_scale: Largest bias of a reservoir. Default: the larger of 1 and the input scale.
                Biases are uniform between -bias_scale and bias_scale. At least 0.
            leak: Leak of leaky cells at the start. Default: chosen, or 0.3. Above 0 and below 1.
            seed: Seed of the initial weights and of everything else that is random. The same seed
                gives the same result. At least 0 and below 4294967296.

        Args: Reading the series
            delays: Values that each step reads: how many of the latest, or a list of lags (0 is the
                current value). Default: chosen, or 1.
            neighbours: Learn the channels as a field: how many sites on each side a site reads, or
                auto. Default: the channels are no field. The channels are the sites of a ring, or
                of a grid, in order. All sites share one network, which predicts a site from the
                values around it, and one scaling.
            grid: Rows and columns of a field on a grid (8,16), whose sites are numbered row by row.
                Default: a ring.
            boundary: What lies beyond the edge of a field. no-flux mirrors the sites beyond the
                edge.
            difference: Learn differences instead of values: the lag of the difference, or a list of
                lags to take one after the other (1,12); 0 for none. Default: chosen for ridge, else
                none.
            season: Steps after which the series repeats itself: 12 for months, or a list (24,168);
                0 for no season. Default: by the calendar of its dates, or by its autocorrelation.
                Smoothers follow it, and the windows and differences that are tried reach back over
                it.
            detrend: Subtract a straight line from each channel, and add it again to results.
                Smoothers of a detrended series have no slope.
            log: Learn the logarithm of the values, which must be positive.
            nonnegative: Raise negative results and bounds of intervals to zero. Default: for
                channels of counts, which are whole numbers from zero on.
            standardize: Standardise each channel inside; results keep their own units. The mean
                becomes 0, the standard deviation 1.

        Args: Training
            optimizer: What trains the weights; ridge solves the readout alone, and likelihood
                weights smoothers. Default: levenberg-marquardt when fewer than 100 hidden units are
                asked for, without a known model; likelihood for smoothers; else ridge. lbfgs is
                BFGS with limited memory.
            epochs: Most updates or iterations, shared by the stages of a forcing. Default: 200 for
                levenberg-marquardt, else 1000. At least 1.
            washout: First steps of a series whose errors do not count. Default: what the memory
                needs. The state forgets its start at zero in these steps. The default is what the
                delays and differences need, and for a recurrent reservoir up to 100 steps. At least
                0.
            l1: Penalty on the absolute weights. Biases are included. At least 0.
            l2: Penalty on the squared weights. Default: chosen for ridge, else 0. Biases are
                included. At least 0.
            online: Keep the sums from which update(learn=True) goes on to learn as data arrive.
                These are as many numbers as half the square of the hidden units, for each member.
            weight_noise: Standard deviation of noise on the weights while training. At least 0.
            input_noise: Standard deviation of noise on the standardised values read while training.
                Default: chosen for ridge, else 0. At least 0.
            measurement_noise: Standard deviation of the noise in measurements, in standard
                deviations of the channel; one, or a list with one for each channel. Default: 0; of
                noisy samples of systems, what the fit chooses. The readout is then solved on the
                states behind the measurements, which are estimated with it
                (freerun.network.errors_in_variables). Where it begins; each channel's noise is
                estimated too.

        Args: Gradient methods
            learning_rate: Step size of the gradient methods. Default: 0.01. Above 0.
            schedule: How the learning rate falls, to a thousandth. Default: constant.
            window: Train gradient methods on random windows of this many steps. Default: the whole
                series. At least 2.
            batch: Windows in each update. Default: 16. At least 1.
            stateful: Begin windows in the state that the network reaches there, instead of at rest.
                The memory may then be longer than a window (truncated back-propagation through
                time, Williams and Peng, 1990). The states are computed anew about a hundred times
                in a fit. Windows that begin at rest have a washout, which does not count.

        Args: Forcing
            forcing: What the network reads while it trains: the data (full), its own output for
                growing stretches (segments), a mixture (generalized), the data every few steps
                (sparse), or one of both at random (scheduled). Default: segments for
                levenberg-marquardt, else full. Generalized forcing reads strength * data + (1 -
                strength) * output. Sparse forcing reads the data at every forcing_interval-th step.
            forcing_strength: Strength of generalized and scheduled forcing, 0 to 1: one number, one
                a stage, or adaptive (generalized). Default: 1, 0.5, 0.25, 0.1, 0.05. Adaptive
                strengths follow the Jacobians. For scheduled forcing it is the probability that the
                data are read.
            forcing_interval: Steps between two readings of the data, for sparse forcing. Default:
                10. At least 1.
            segment_lengths: Steps of the free-run segments, one length for each stage. Default: 5,
                20, 50, 100, those that fit.

        Args: Selection
            select: What free runs are judged by: the next steps (forecast), how much a long run
                resembles the series (attractor), or what suits the series (auto).
            restarts: Networks from different seeds to train at once; free runs choose among them.
                Default: 4 where free runs choose, else 1; at least members. At least 1.
            members: Networks to keep, the best first; generate uses the best, or all, forecast all.
                Default: those no worse than the best beyond chance, at most 5, where free runs
                choose for ridge; else 1. At least 1.
            holdout: Share of the training series, its end, on which free runs choose; ridge also
                takes as much before it. Default: 0.25 where there is something to choose, else 0.
                Ridge leaves out one part at a time, and solves for the weights on the whole series
                in the end. Other optimizers never see these steps. At least 0 and at most 0.5.

        Args: Computing
            dtype: Precision of the computation.
            device: Where to train: cpu, gpu, or where it should be faster for work of this size
                (auto). A GPU that is asked for and absent is refused. auto takes a GPU if JAX finds
                one and the work is large enough, as gradient methods and BFGS on long series or
                wide batches are.
            parallel: Run pieces of the series side by side (parallel in time), not step by step.
                Default: on a GPU, for whole series and up to 256 units, LSTMs apart. The results
                are the same to rounding.
        """
        self.hidden, self.cell = hidden, cell
        self.layers, self.latent = layers, latent
        self.degree, self.nonlinearity = degree, nonlinearity
        self.direct, self.model = direct, model
        self.initial, self.spectral_radius = initial, spectral_radius
        self.connectivity, self.input_scale = connectivity, input_scale
        self.bias_scale, self.leak = bias_scale, leak
        self.seed, self.delays = seed, delays
        self.neighbours, self.grid = neighbours, grid
        self.boundary, self.difference = boundary, difference
        self.season, self.detrend = season, detrend
        self.log, self.nonnegative = log, nonnegative
        self.standardize, self.optimizer = standardize, optimizer
        self.epochs, self.washout = epochs, washout
        self.l1, self.l2 = l1, l2
        self.online, self.weight_noise = online, weight_noise
        self.input_noise, self.measurement_noise = input_noise, measurement_noise
        self.learning_rate, self.schedule = learning_rate, schedule
        self.window, self.batch = window, batch
        self.stateful, self.forcing = stateful, forcing
        self.forcing_strength, self.forcing_interval = forcing_strength, forcing_interval
        self.segment_lengths, self.select = segment_lengths, select
        self.restarts, self.members = restarts, members
        self.holdout, self.dtype = holdout, dtype
        self.device, self.parallel = device, parallel
