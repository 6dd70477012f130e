"""`freerun info`: show the contents of a model file."""

from __future__ import annotations

from freerun.cli.console import Console
from freerun.cli.options import Json, ModelFile, Quiet


def info(model: ModelFile, as_json: Json = False, quiet: Quiet = False) -> None:
    """Show what a model file holds: settings, series and training.

    Example: freerun info mg.freerun
    """
    import numpy as np

    from freerun.data.profile import noise_shares
    from freerun.data.timeline import shown
    from freerun.forecasting.modelfile import load_model
    from freerun.forecasting.words import why_chosen

    loaded = load_model(model)
    best, recent = loaded.best, loaded.recent
    history, weights = best.history, best.network.weights
    settings = {name: value for name, value in best.settings.model_dump(mode="json").items() if value is not None}
    facts: dict[str, object] = {
        "model": str(model),
        "channels": list(recent.channels),
        "training_ended": str(recent.times[-1]),
        "dt": str(recent.dt),
        "irregular": recent.irregular,
        "weights": weights,
        "training_mse": history.training_mse[-1],
        "validation_mse": history.validation_mse[-1] if history.validation_mse else None,
        "epochs": history.epochs[-1],
        "stopped": history.stopped,
        "seconds": round(history.seconds, 3),
        "members": len(loaded.members),
        "settings": best.settings.model_dump(mode="json"),
        "given": loaded.settings.model_dump(mode="json", exclude_defaults=True),
    }
    steps = f"{'irregular times, median step' if recent.irregular else 'steps of'} "
    steps += recent.calendar.step or shown(recent.dt)
    table: dict[str, object] = {
        "model file": model,
        "channels": ", ".join(recent.channels),
        "training ended at time": f"{shown(recent.times[-1])} ({steps})",
        "weights": weights,
        "training MSE": facts["training_mse"],
        "validation MSE": facts["validation_mse"],
        "trained": f"{facts['epochs']} epochs, {facts['seconds']} s; stopped because: {history.stopped}"
        if facts["epochs"]
        else f"{history.stopped}, in {facts['seconds']} s",
        "predict": "row i is step i + 1, made from steps 0 to i (open loop)",
        "generate": "the first value is the step after the last one read (closed loop)",
    }
    noise = noise_shares(recent) if best.noise is None else np.sqrt(best.noise.measured) * best.scaling.scale
    shares = noise if best.noise is None else noise / recent.deviation
    facts["noise"] = dict(zip(recent.channels, shares.tolist(), strict=True))
    table["noise"] = (
        ", ".join(f"{share:.2g}" for share in shares)
        + " standard deviations of the channel, "
        + (
            "at most, by the spectrum of the last steps"
            if best.noise is None
            else "as estimated with the states behind it"
        )
    )
    if (why := why_chosen(loaded)) is not None:
        table["chosen by"] = why
    if len(loaded.members) > 1:
        table["networks"] = f"{len(loaded.members)}; below is the best"
    table |= {f"  {name}": value for name, value in settings.items()}
    Console(as_json, quiet).result(facts, table)
