// The panel "Trace a copy".

import * as server from "./ask.js";
import { Keys } from "./keys.js";
import { doing, h } from "./parts.js";

export class Trace {
  constructor(about, tray, changed) {
    this.tray = tray;
    this.changed = changed;
    this.keys = new Keys("watermark", changed, { register: true });
    this.words = h("textarea", { rows: "3", spellcheck: false });
    this.go = h("button", { type: "button", class: "main", onClick: doing(() => this.start()) }, "Look for my mark");
    this.element = h("div", { class: "stack" },
      h("h2", {}, "Whose copy is this?"),
      h("p", { class: "hint" }, "Drop a photo that turned up somewhere, open the key you marked your photos with, and its register. Nobody else can read the mark."),
      this.keys.element,
      h("label", {}, h("span", { class: "label" }, "Without the register: what the mark may say, one a line"), this.words),
      h("div", { class: "actions" }, this.go));
  }

  update(state) {
    this.keys.update(state.keys);
    this.go.disabled = Object.keys(this.tray.chosen()).length === 0 || !this.keys.key;
  }

  async start() {
    await server.post("/api/trace", { ...this.keys.asked(), identifiers: this.words.value, photos: this.tray.chosen() });
    await this.changed();
  }
}
