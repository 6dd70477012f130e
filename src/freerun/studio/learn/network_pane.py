"""The second pane: a control for each parameter of the network and its training."""

from __future__ import annotations

from nicegui import ui

from freerun.errors import SettingError
from freerun.settings import Value
from freerun.studio.learn.presets import GROUPS, PRESETS, Control, control, settings_of

LEFT_OPEN = "chosen by the fit"
"""Placeholder of a control whose parameter is not set."""


class NetworkPane:
    """Presets and controls, on one page."""

    def __init__(self) -> None:
        self._entries: dict[str, Value] = {}
        with ui.card().classes("pane").props("role=region aria-label=Network"):
            ui.label("Network").classes("pane-title")
            self._preset = ui.select(list(PRESETS), value="default", label="Preset").classes("w-full")
            self._preset.on_value_change(lambda: self.show(PRESETS[str(self._preset.value)]))
            self._about = ui.label().classes("hint")
            with ui.scroll_area().classes("w-full grow controls"):
                for group, names in GROUPS.items():
                    with ui.expansion(group, value=group == "Network").classes("w-full"):
                        for name in names:
                            self._entries[name] = self._add_entry(control(name))
        self._describe()

    def settings(self) -> dict[str, Value]:
        """Return the parameters that differ from their defaults.

        Raises:
            SettingError: a value is invalid.
        """
        return settings_of({name: entry.value for name, entry in self._entries.items()})

    def show(self, settings: dict[str, Value]) -> None:
        """Set the controls to `settings`; all others are set to their defaults."""
        for name, entry in self._entries.items():
            described = control(name)
            value = settings.get(name, described.default)
            if described.kind == "choice":
                value = value or ""
            if described.kind == "text" and value is not None:
                value = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            entry.set_value(value)

    def _add_entry(self, described: Control) -> Value:
        """Add a control to the page."""
        label = described.name.replace("_", " ")
        default = LEFT_OPEN if described.default is None else f"default {described.default}"
        if described.kind == "switch":
            entry = ui.switch(label, value=described.default, on_change=self._describe)
        elif described.kind == "choice":
            options = ({"": LEFT_OPEN} if described.default is None else {}) | {
                option: option for option in described.options
            }
            entry = ui.select(options, value=described.default or "", label=label, on_change=self._describe)
        elif described.kind == "number":
            entry = ui.number(label, value=described.default, placeholder=default, on_change=self._describe)
        else:
            entry = ui.input(label, placeholder=default, on_change=self._describe)
        if described.default is None and described.kind in ("number", "text"):
            entry.props("clearable")
        if described.kind != "switch":
            entry.classes("w-full").props(f'dense stack-label placeholder="{default}"')
        ui.label(described.help).classes("hint")
        return entry

    def _describe(self) -> None:
        """Show which parameters are set, or which value is invalid,
        and mark controls that differ from the default."""
        for name, entry in self._entries.items():
            default = control(name).default
            entry.classes(**{"remove" if entry.value in (default, "", None) else "add": "changed"})
        try:
            settings = self.settings()
        except SettingError as error:
            self._about.set_text(str(error)).classes(replace="hint wrong")
            return
        text = ", ".join(f"{name}={value}" for name, value in settings.items())
        self._about.set_text(text or "All defaults: parameters that are not set are chosen by free runs.")
        self._about.classes(replace="hint")
