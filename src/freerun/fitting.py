"""A fit from end to end: choose settings, solve or train networks, keep the members,
calibrate intervals.

In come settings and series, out goes a `Model`. What is tried and what wins belongs to
`freerun.selection`; how weights are trained belongs to `freerun.training`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain, islice, starmap
from pathlib import Path

import numpy as np

from freerun.compute.cores import thread_map
from freerun.data.learnable import learnable, naming_series, require_steps
from freerun.data.panel import fingerprints, panel_of
from freerun.data.profile import Profile
from freerun.data.scaling import Scaling, Units
from freerun.data.series import Series, SeriesLike
from freerun.data.stored import StoredSeries, read_in_parts
from freerun.errors import MachineError, SeriesError, SettingError, TrainingDiverged, warn
from freerun.extras import require
from freerun.forecasting.enduring import SHORTEST_RUN, UNLIKE, holds_at_first, long_runs
from freerun.forecasting.intervals import errors_left_out, growth_in_sample
from freerun.forecasting.model import RECENT, Member, Model, RunStart
from freerun.forecasting.runs import run_start_after
from freerun.forecasting.short_runs import short_runs_in_sample, short_runs_left_out
from freerun.network import normal_equations, ridge, smoothing
from freerun.network.assimilation import Noise
from freerun.network.errors_in_variables import estimate, estimate_long
from freerun.network.network import Network, assemble
from freerun.network.reading import follow
from freerun.network.ridge import Divided, Solution, Triangle
from freerun.network.smoothing import SmootherErrors
from freerun.plan import SmoothPlan, SolvePlan, TrainPlan, plan_of, settled, train_plan
from freerun.selection.candidates import can_smooth, is_open
from freerun.selection.choosing import as_good, choose, members_of
from freerun.selection.holdout import before_part, held_out, parts_left_out, recent, require_held_out, warn_of_short
from freerun.selection.judge import Candidate
from freerun.selection.policies import Policy, may_be_sample
from freerun.selection.race import SMALLER, RaceStopped
from freerun.selection.smoothers import smoothers_of
from freerun.settings import Settings
from freerun.training.checkpoint import EVERY, Checkpoint, purpose_of
from freerun.training.history import History, Progress, ProgressCallback, Trained

RUNS_AWAY = (
    "the free runs of all networks that were tried leave the range of the series at once; forecasts are by exponential "
    "smoothing"
)
"""The warning where smoothers take the place of networks."""

PASSED_OVER = 40
"""Candidates beyond the finalists that are fitted, where no finalist holds."""

FINALISTS = 8
"""Candidates that may be passed over for one that endures, where they do not come from a race."""

LEAVES = (
    "free runs of the network may leave the range of the series after some time; forecasts of the next steps are not "
    "concerned: for long runs choose by these (select='attractor'), or give a longer series"
)
"""The warning where no network endures."""

BEHIND = "the readout is solved on the states behind noisy measurements, in {} rounds"
"""Why training stopped, where the noise in measurements is known."""

STOPPED = "interrupted; the best candidate by then"
"""Why training stopped, after Ctrl-C in the race."""

PART = 500_000
"""Steps of a stored series that are in memory at a time."""


@dataclass(frozen=True)
class Fitted:
    """The result of a fit.

    Attributes:
        model: the trained networks.
        failure: what ended training early; the model then has the last good weights.
    """

    model: Model
    failure: TrainingDiverged | KeyboardInterrupt | None


def fit(
    settings: Settings,
    series: SeriesLike,
    *,
    inputs: SeriesLike = None,
    validation: SeriesLike = None,
    before: Model | None = None,
    progress: ProgressCallback | None = None,
    choices: list[Settings] | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: float = EVERY,
    policy: Policy | None = None,
) -> Fitted:
    """Fit networks to series.

    Args:
        settings: parameters that are None are chosen by free runs.
        series: one or several, which are learned together; see `freerun.RNN.fit`.
        inputs: their external inputs.
        validation: a series whose one-step error is recorded.
        before: a model whose best network is trained further.
        progress: called now and then.
        choices: settings with nothing left to choose, the best first; None chooses them.
        checkpoint: the file in which the state of the fit is kept.
        checkpoint_every: minimum time between two checkpoints, in seconds.
        policy: what is tried; None takes the one that suits the series.

    Raises:
        SettingError, SeriesError, TrainingDiverged, CheckpointError: see `freerun.RNN.fit`.
    """
    stored = read_in_parts(series, inputs)
    training = panel_of(series, inputs) if stored is None else (stored.ending(),)
    held = None if validation is None else Series.of(validation)
    kept = None
    if checkpoint is not None:
        sample = () if stored is None else stored.sample()
        of_data = fingerprints(training, [*training, *sample], held, settings.model)
        kept = _checkpoint_at(checkpoint, checkpoint_every, settings, of_data, before)
    with _keeping(kept):
        if before is not None:
            training = tuple(before.matched(one) for one in training)
        training, held = learnable(training, held, settings, can_smooth(settings, len(training)))
        asked = settings if before is None else before.require_same_shape(settings)
        if asked.model is not None:
            asked.model.require_function()
        units = Units(training, None if before is None else before.best.scaling)
        profile = replace(Profile.of(training, asked), in_memory=stored is None)
        one = _Fit(settings, training, profile, units, held, before, progress, kept, stored)
        one.require_possible(asked)
        return one.fitted(asked, choices, policy)


@contextmanager
def _keeping(checkpoint: Checkpoint | None) -> Generator[None]:
    """Write a checkpoint where a fit ends or is interrupted; remove it where the fit is refused."""
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint is not None:
            checkpoint.write()
        raise
    except (SettingError, SeriesError) as error:
        if checkpoint is not None and not isinstance(error, MachineError):
            checkpoint.drop_own()
        raise
    if checkpoint is not None:
        checkpoint.write()


def _checkpoint_at(
    path: Path,
    every: float,
    settings: Settings,
    of_data: Mapping[str, str | None],
    before: Model | None,
) -> Checkpoint:
    """The checkpoint of a fit, written every `every` seconds; an existing one is resumed.

    Args:
        path: of the file.
        every: least time between two writes, in seconds.
        settings: as the user gave them.
        of_data: fingerprints of the series, by name; see `freerun.data.panel.fingerprints`.
        before: the model whose training goes on.

    Raises:
        CheckpointError: it is damaged, or of another fit.
        OutputError: no file can be written there.
    """
    weights = None if before is None else before.best.network.arrays()
    hashed = None if weights is None else sha256(b"".join(w.tobytes() for w in weights)).hexdigest()
    return Checkpoint(path, purpose_of(settings, {**of_data, "weights": hashed}), every, settings.model)


@dataclass(frozen=True)
class _Chosen:
    """What selection came to.

    Attributes:
        choices: candidates with nothing left to choose, the best first.
        members: how many networks to keep.
        finalists: how many of the candidates come first in `_Fit._enduring_first`.
        stopped: the interrupt that ended the race, if one did.
    """

    choices: list[Candidate]
    members: int
    finalists: int
    stopped: RaceStopped | None = None


@dataclass(frozen=True)
class _Solved:
    """A member with a solved readout.

    Attributes:
        plan: what was done.
        member: fitted to the whole series.
        without: the same, fitted without each of the parts that calibrate intervals.
    """

    plan: SolvePlan
    member: Member
    without: list[Member]


@dataclass(frozen=True)
class _Fit:
    """A fit in progress: what all its networks share."""

    settings: Settings
    training: Sequence[Series]
    profile: Profile
    units: Units
    validation: Series | None
    before: Model | None
    progress: ProgressCallback | None
    checkpoint: Checkpoint | None
    stored: StoredSeries | None

    def require_possible(self, asked: Settings) -> None:
        """Refuse settings that do not suit the series, before any work is done."""
        if asked.method == "ridge" and asked.device == "gpu":
            raise SettingError(
                "device='gpu': a readout is solved on the processor; leave device out, or train by gradients "
                "(optimizer='adam')"
            )
        channels = self.training[0].shape[1]
        if asked.measured_noise and (self.stored is not None or len(self.training) > 1):
            raise SettingError(
                "measurement_noise: states are estimated for one series in memory; leave it out, or give one"
            )
        if len(asked.measured_noise) not in (0, 1, channels):
            raise SettingError(
                f"measurement_noise={asked.measurement_noise}: give one number, or one for each of the {channels} "
                "channels"
            )
        if self.stored is not None and asked.method != "ridge" and asked.window is None:
            raise SettingError(
                f"optimizer={asked.method!r} needs all of the series at once, and {self.stored.path} is too large to "
                "be read whole; train in windows (optimizer='adam', window=200), or solve the readout "
                "(optimizer='ridge')"
            )
        self.units.of(asked)  # refuses values without a logarithm
        steps = max(map(len, self.training))
        plan = self.plan(settled(asked, steps))
        if isinstance(plan, TrainPlan):
            require("train", f"training by optimizer={asked.method!r}", "solve the readout alone (optimizer='ridge')")
            from freerun.training.forcing import require_fitting

            require_fitting(plan, plan.window or steps - 1)

    def fitted(self, asked: Settings, choices: list[Settings] | None, policy: Policy | None) -> Fitted:
        """Choose settings that are None, then solve,
        weight or train networks with the chosen ones."""
        if choices is None:
            found = self.chosen(asked, policy)
        else:
            found = _Chosen([Candidate(0.0, settings) for settings in choices], asked.members or 1, FINALISTS)
        plans = [self.plan(choice.settings) for choice in found.choices]
        for number, series in enumerate(self.training):
            with naming_series(number, self.training):
                require_steps("training", series, plans[0].washout)
        if isinstance(plans[0], TrainPlan):
            return self.trained(asked, plans[0], found.members)
        if isinstance(plans[0], SmoothPlan):
            return self.smoothed([choice.settings for choice in found.choices])
        solvable = [plan for plan in plans if isinstance(plan, SolvePlan)]
        return self.solved(asked, solvable, found)

    def plan(self, settings: Settings) -> SolvePlan | SmoothPlan | TrainPlan:
        """The plan of settings with nothing left open, for these series."""
        first = self.training[0]
        return plan_of(settings, first.shape[1], first.inputs.shape[1])

    def chosen(self, asked: Settings, policy: Policy | None) -> _Chosen:
        """Choose what the settings leave open; after Ctrl-C, the best candidate so far."""
        stopped: RaceStopped | None = None
        if self.before is None and is_open(asked):
            warn_of_short(asked, list(map(len, self.training)))
        try:
            if self.before is None:
                found = choose(asked, self.training, self.profile, self.progress, self.checkpoint, policy)
            else:
                found = [Candidate(0.0, settled(asked, max(map(len, self.training))))]
        except RaceStopped as stop:
            found, stopped = stop.ranking[: asked.members or 1], stop
        finalists = sum(choice.finalist for choice in found)
        return _Chosen(found, members_of(asked, found), finalists, stopped)

    def held_out(self, settings: Settings) -> int:
        """Steps of each part of the training series that calibrates intervals."""
        return held_out(settings, min(map(len, self.training)), choosing=True)

    def solved(self, asked: Settings, plans: list[SolvePlan], found: _Chosen) -> Fitted:
        """Solve the readouts of the plans, and keep the first whose free runs endure."""
        count, stopped = found.members, found.stopped
        rows = [choice.rows for choice in found.choices]
        if len(plans) == 1:
            solved = [self.solve(plans[0], rows[0])]
        else:
            several = list(zip(plans, rows, strict=True))
            first = thread_map(lambda one: self.solve(*one), several[:count])
            each = chain(first, starmap(self.solve, several[count:]))
            solved, holding = self._enduring_first(each, found)
            if not holding and stopped is None and can_smooth(asked, len(self.training)) and self.stored is None:
                warn(RUNS_AWAY)
                return self.smoothed(smoothers_of(asked, self.training, self.profile).several)
            if asked.members is None:
                solved = holding or solved[:1]
        members, without = [one.member for one in solved], [one.without for one in solved]
        chosen = is_open(asked) or count > 1
        left_out = members, without, self.training, self.held_out(plans[0].settings), chosen
        errors, short_runs = errors_left_out(*left_out), short_runs_left_out(*left_out)
        failure: KeyboardInterrupt | None = stopped
        if stopped is not None:
            members = [replace(one, history=replace(one.history, stopped=STOPPED)) for one in members]
        elif self.stored is not None:
            members, failure = self.solved_by_all(solved, self.stored)
        return Fitted(replace(self.model(members), errors=errors, short_runs=short_runs), failure)

    def _enduring_first(self, solved: Iterator[_Solved], found: _Chosen) -> tuple[list[_Solved], list[_Solved]]:
        """Keep networks: first those that endure, then those that hold for some time,
        then the others.

        Of those that endure, the ones whose long runs vary as the series does come first, if they
        forecast as well as the best candidate, or no worse than by chance. That is asked where the
        series may be a sample of a system.

        Networks beyond the finalists are fitted only where none of the finalists holds. Networks
        with external inputs are taken in order, since their inputs are not known for a long run.

        Returns:
            The networks, and those of them that endure or hold.
        """
        if self.training[0].input_names:
            taken = list(islice(solved, found.members))
            return taken, taken
        compared = may_be_sample(self.profile)
        alike: list[_Solved] = []
        enduring: list[_Solved] = []
        holding: list[_Solved] = []
        weak: list[_Solved] = []
        best, enough = found.choices[0], max(found.members, found.finalists)
        tried = found.choices[: found.finalists + PASSED_OVER]
        for number, (choice, one) in enumerate(zip(tried, solved, strict=False), 1):
            runs = long_runs(one.member, self.training, SHORTEST_RUN if compared else 1)
            if runs.stay:
                same = not compared or (runs.distance < UNLIKE and as_good(choice, best))
                (alike if same else enduring).append(one)
            else:
                (holding if holds_at_first(one.member, self.training) else weak).append(one)
            if len(alike) == found.members or (number >= enough and (alike or enduring or holding)):
                break
        if holding and not (alike or enduring):
            warn(LEAVES)
        good = [*alike, *enduring, *holding]
        return [*good, *weak][: found.members], good[: found.members]

    def smoothed(self, several: Sequence[Settings]) -> Fitted:
        """Weight the smoothers of the networks with these settings, which forecast together."""
        began = time.perf_counter()
        (series,) = self.training
        members = list[Member]()
        for settings in several:
            plan = self.plan(settings)
            assert isinstance(plan, SmoothPlan)
            standardized = self.units.of(plan.settings)
            drawn = smoothing.limited(plan.draw(), *standardized.values)
            errors = SmootherErrors.along(drawn, *standardized.values)
            seconds = time.perf_counter() - began
            members.append(self._solved_member(plan, errors.solved(drawn), standardized.scaling, seconds, errors))
        growth, short_runs = growth_in_sample(members, series), short_runs_in_sample(members, series)
        return Fitted(replace(self.model(members), growth=growth, short_runs=short_runs), None)

    def solved_by_all(
        self, several: Sequence[_Solved], stored: StoredSeries
    ) -> tuple[list[Member], KeyboardInterrupt | None]:
        """Solve the members again, by all of the stored series; after Ctrl-C,
        by the part that has been read."""
        solved: list[Member] = []
        began = time.perf_counter()
        for number, one in enumerate(several):
            plan, network, scaling = one.plan, one.member.network, one.member.scaling
            triangle, failure = Triangle(), None
            parts = parts_of(len(stored), plan.washout)
            try:
                for done, (first, last) in enumerate(parts, 1):
                    part = scaling.apply(stored.between(first, last))
                    for rows in ridge.rows_of(network, [part], plan.washout, plan.input_noise, plan.seed + done):
                        triangle = triangle.joined(rows)
                    if self.progress is not None:
                        count, total = number * len(parts) + done, len(parts) * len(several)
                        seconds = time.perf_counter() - began
                        self.progress(Progress("solving readouts", count, total, None, None, None, seconds))
            except KeyboardInterrupt as interrupt:
                failure = interrupt
            if triangle.counted is not None:
                network = triangle.solved(network, plan.penalty)
            solved.append(self._solved_member(plan, network, scaling, time.perf_counter() - began, triangle))
            if failure is not None:
                return solved, failure
        return solved, None

    def solve(self, plan: SolvePlan, rows: Divided | None = None) -> _Solved:
        """Solve the readout of a plan, for the training series and
        without each part that calibrates intervals.

        Args:
            plan: what is solved.
            rows: those by which a race judged it, if it did.
        """
        began = time.perf_counter()
        scaling = self.units.of(plan.settings).scaling
        network = plan.draw() if self.before is None else self.before.best.network
        network = replace(network, known=scaling.of_model(plan.settings.model))
        count = self.held_out(plan.settings)
        stretches = parts_left_out(min(map(len, self.training)), count, plan.washout)
        end = recent(self.training, count)
        fault = ridge.lack_of_memory(plan.shape, max(map(len, self.training)), len(stretches))
        if fault:
            raise MachineError(f"{fault}; {SMALLER}")
        if plan.measured:
            return self._estimated(plan, network, scaling, stretches)
        whole = [len(series) for series in end] == [len(series) for series in self.training]
        known = rows if whole and rows is not None and len(rows.without) == len(stretches) else None
        solution = self._readouts(network, plan, scaling, stretches if whole else (), known)
        parts = solution.without
        if stretches and not whole:
            parts = self._readouts(network, plan, scaling, stretches, held_out=count).without
        seconds = time.perf_counter() - began
        member = self._solved_member(plan, solution.network, scaling, seconds, solution.triangle)
        return _Solved(plan, member, [replace(member, network=part, statistics=None) for part in parts])

    def _estimated(
        self, plan: SolvePlan, network: Network, scaling: Scaling, stretches: Sequence[tuple[int, int]]
    ) -> _Solved:
        """Solve the readout of a plan from noisy measurements,
        of all the series and of what comes before each part."""
        began = time.perf_counter()
        (values,) = self.units.of(plan.settings).values
        measured = plan.measured_variance(values)
        whole = estimate_long(network, values, measured, plan.penalty, plan.seed)
        member = self._solved_member(
            plan, whole.network, scaling, time.perf_counter() - began, None, BEHIND.format(whole.rounds), whole.noise
        )
        parts = [
            estimate(network, before_part(values, first), measured, plan.penalty, seed=plan.seed)
            for first, _ in stretches
        ]
        return _Solved(plan, member, [replace(member, network=one.network, noise=one.noise) for one in parts])

    def _readouts(
        self,
        network: Network,
        plan: SolvePlan,
        scaling: Scaling,
        stretches: Sequence[tuple[int, int]],
        rows: Divided | None = None,
        held_out: int | None = None,
    ) -> Solution:
        """Readouts for the series, or for their recent steps where
        parts of `held_out` steps are left out."""
        panel = self.units.of(plan.settings).values
        if held_out is not None:
            panel = [scaling.apply(series) for series in recent(self.training, held_out)]
        washout = ridge.washout_of(plan.washout, panel)
        asked = network, panel, washout, plan.penalty, plan.input_noise, plan.seed, stretches
        if rows is None and not plan.settings.online and normal_equations.suit(network, panel, plan.penalty):
            return normal_equations.solve(*asked)
        return ridge.solve(*asked, rows)

    def _solved_member(
        self,
        plan: SolvePlan | SmoothPlan,
        network: Network,
        scaling: Scaling,
        seconds: float,
        statistics: Triangle | SmootherErrors | None,
        how: str = "the readout is solved exactly",
        noise: Noise | None = None,
    ) -> Member:
        """A member whose readout is solved, and its one-step errors.
        `statistics` determine the readout."""
        how = "smoothers are weighted by likelihood" if isinstance(plan, SmoothPlan) else how
        read = follow(network, noise, self.units.of(plan.settings).values, plan.washout, scaling.scale)
        history = History(epochs=[0], training_mse=[read.error], stopped=how, seconds=seconds)
        if self.validation is not None:
            watched = [scaling.apply(self.validation)]
            history.validation_mse.append(follow(network, noise, watched, plan.washout, scaling.scale).error)
        kept = statistics if plan.settings.online else None
        return Member(plan.settings, network, scaling, RunStart(read.state, read.value), history, kept, noise)

    def trained(self, asked: Settings, plan: TrainPlan, count: int) -> Fitted:
        """Train several networks at once, and keep the best `count`."""
        lengths = list(map(len, self.training))
        choosing = plan.restarts > count or (plan.restarts > 1 and asked.holdout != 0)
        held = require_held_out(asked, lengths) if choosing else held_out(asked, min(lengths), choosing)
        trained = self._train(plan, count, held)
        failures = [t.failure for t in trained]
        good = [t for t in trained if not isinstance(t.failure, TrainingDiverged)]
        members = [self._trained_member(t) for t in (good or trained)[:count]]
        left_out = members, [[member] for member in members], self.training, held, False
        errors, short_runs = errors_left_out(*left_out), short_runs_left_out(*left_out)
        failed = not good or isinstance(failures[0], KeyboardInterrupt)
        model = replace(self.model(members), errors=errors, short_runs=short_runs)
        return Fitted(model, failures[0] if failed else None)

    def model(self, members: Sequence[Member]) -> Model:
        """The model with these members."""
        last = self.training[-1]
        return Model(self.settings, tuple(members), last.between(max(0, len(last) - RECENT)), len(self.training))

    def _train(self, plan: TrainPlan, count: int, held: int) -> list[Trained]:
        from freerun.training.loop import train
        from freerun.training.monitor import better_half

        network = None if self.before is None else self.before.best.network.dense()
        report = None if self.progress is None else self._report
        alone = plan.settings.with_(restarts=1, members=1)
        seeds = [alone.with_(seed=plan.seed + i) for i in range(plan.restarts)]
        several = [train_plan(one, plan.shape.channels, plan.shape.inputs) for one in seeds]
        return train(
            several,
            self.training,
            self.validation,
            self._scaling(plan.settings),
            network,
            held,
            better_half(count),
            progress=report,
            checkpoint=self.checkpoint,
            stored=self.stored,
        )

    def _scaling(self, settings: Settings) -> Scaling:
        """The scaling of networks whose weights are all trained: of a stored series,
        that of a sample of it."""
        if self.stored is None or self.before is not None:
            return self.units.of(settings).scaling
        return Scaling.fitted(self.stored.sample(), settings)

    def _trained_member(self, trained: Trained) -> Member:
        """A member that has read the training series."""
        scaling = self._scaling(trained.settings)
        start = run_start_after(trained.network, scaling, self.training[-1])
        return Member(trained.settings, trained.network, scaling, start, trained.history)

    def _report(self, progress: Progress, trained: Callable[[], Trained]) -> None:
        """Report the progress of training, with the best network so far as a model."""
        assert self.progress is not None
        self.progress(replace(progress, current=lambda: self.model([self._trained_member(trained())])))


def adopted(settings: Settings, weights: Mapping[str, np.ndarray], scaling: Scaling, series: Series) -> Model:
    """Make a model of weights that were trained elsewhere, and let it read a series.

    Args:
        settings: those that shape the network. By the last steps of the series,
            a share of `holdout`, intervals are calibrated.
        weights: by the names of `freerun.network.network.assemble`.
        scaling: of what the network reads.
        series: what its free runs continue.

    Raises:
        SeriesError: the series is too short.
    """
    chosen = settled(settings, len(series))
    one = _Fit(settings, (series,), Profile.of([series], settings), Units([series], scaling), *[None] * 5)
    plan = one.plan(chosen)
    require_steps("given", series, plan.washout)
    network = assemble(plan.shape, lambda name, _: np.ascontiguousarray(weights[name]))
    read = follow(network, None, [scaling.apply(series)], plan.washout, scaling.scale)
    history = History(epochs=[0], training_mse=[read.error], stopped="trained elsewhere")
    member = Member(chosen, network, scaling, RunStart(read.state, read.value), history)
    held = held_out(chosen, len(series), choosing=False)
    errors = errors_left_out([member], [[member]], [series], held, chosen=False)
    return replace(one.model([member]), errors=errors)


def parts_of(steps: int, washout: int) -> list[tuple[int, int]]:
    """First and last step (excluded) of the parts of a series by which a readout is solved,
    one after the other.

    Each begins with the washout that its first error needs.
    """
    count = max(1, math.ceil((steps - 1) / PART))
    return [(max(0, part * PART - washout), min((part + 1) * PART + 1, steps)) for part in range(count)]
