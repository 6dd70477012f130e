"""The second pane: the things to try."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from freerun.errors import SettingError
from freerun.studio.presets import GROUPS, PRESETS, Control, control, settings_of

LEFT_OPEN = "chosen by the fit"
"""What a control shows whose parameter is left open."""


class NetworkPane:
    """Network pane of one page."""

    def __init__(self) -> None:
        self._entries: dict[str, Any] = {}
        with ui.card().classes("pane").props("role=region aria-label=Network"):
            ui.label("Network").classes("pane-title")
            self._preset = ui.select(list(PRESETS), value="default", label="Preset").classes("w-full")
            self._preset.on_value_change(lambda: self.show(PRESETS[str(self._preset.value)]))
            self._about = ui.label().classes("hint")
            with ui.scroll_area().classes("w-full grow controls"):
                for group, names in GROUPS.items():
                    with ui.expansion(group, value=group == "Network").classes("w-full"):
                        for name in names:
                            self._entries[name] = self._entry(control(name))
        self._tell()

    def settings(self) -> dict[str, Any]:
        """The parameters that are set, checked.

        Raises:
            SettingError: one cannot be used.
        """
        return settings_of({name: entry.value for name, entry in self._entries.items()})

    def show(self, settings: dict[str, Any]) -> None:
        """Set the controls; what is not named gets its default."""
        for name, entry in self._entries.items():
            what = control(name)
            value = settings.get(name, what.default)
            if what.kind == "choice":
                value = value or ""
            if what.kind == "text" and value is not None:
                value = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            entry.set_value(value)

    def _entry(self, what: Control) -> Any:
        label = what.name.replace("_", " ")
        default = LEFT_OPEN if what.default is None else f"default {what.default}"
        if what.kind == "switch":
            entry = ui.switch(label, value=what.default, on_change=self._tell)
        elif what.kind == "choice":
            options = ({"": LEFT_OPEN} if what.default is None else {}) | {option: option for option in what.options}
            entry = ui.select(options, value=what.default or "", label=label, on_change=self._tell)
        elif what.kind == "number":
            entry = ui.number(label, value=what.default, placeholder=default, on_change=self._tell)
        else:
            entry = ui.input(label, placeholder=default, on_change=self._tell)
        if what.default is None and what.kind in ("number", "text"):
            entry.props("clearable")
        if what.kind != "switch":
            entry.classes("w-full").props(f'dense stack-label placeholder="{default}"')
        ui.label(what.help).classes("hint")
        return entry

    def _tell(self) -> None:
        """Say what is set, or what is wrong with it, and mark the controls that are not at their default."""
        for name, entry in self._entries.items():
            default = control(name).default
            entry.classes(**{"remove" if entry.value in (default, "", None) else "add": "changed"})
        try:
            settings = self.settings()
        except SettingError as error:
            self._about.set_text(str(error)).classes(replace="hint wrong")
            return
        said = ", ".join(f"{name}={value}" for name, value in settings.items())
        self._about.set_text(said or "All at default: what is left open is chosen by free runs.")
        self._about.classes(replace="hint")
