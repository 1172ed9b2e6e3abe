// The panel "Hide faces".

import * as server from "./ask.js";
import { Keys } from "./keys.js";
import { check, choices, doing, h, segments } from "./parts.js";

export class Protect {
  constructor(about, tray, changed) {
    this.about = about;
    this.tray = tray;
    this.changed = changed;
    this.asked = { method: "tip-im", preset: "balanced", epsilon: 8, style: "rose", full: false };
    this.keys = new Keys("watermark", changed, { make: true });
    this.identifier = h("input", { type: "text", maxlength: "120", placeholder: "given to Anna, November" });
    this.go = h("button", { type: "button", class: "main", onClick: doing(() => this.start()) }, "Hide faces");
    this.hint = h("p", { class: "hint" });
    this.element = h("div", { class: "stack" });
    this.draw();
  }

  set(name) {
    return (value) => {
      this.asked[name] = value;
      if (name === "method") this.draw();
    };
  }

  draw() {
    const { asked, about } = this;
    const words = h("output", { class: "hint" });
    const tell = () => {
      words.textContent = `${asked.epsilon}: ${about.strengths.findLast(([least]) => asked.epsilon >= least)[1]}`;
    };
    const slider = h("input", { type: "range", min: "2", max: "16", step: "1", value: String(asked.epsilon), onInput: (event) => {
      asked.epsilon = Number(event.target.value);
      tell();
    } });
    tell();
    this.element.replaceChildren(...[
      h("h2", {}, "Hide faces from recognition"),
      choices("How", "method", about.methods, asked.method, this.set("method")),
      asked.method === "dfpp" && h("label", {}, h("span", { class: "label" }, "Makeup"),
        h("select", { onChange: (event) => (asked.style = event.target.value) },
          about.styles.map((style) => h("option", { value: style.name, selected: style.name === asked.style }, style.title)))),
      asked.method === "dpg" && this.keys.element,
      asked.method === "dpg" && h("label", {}, h("span", { class: "label" }, "What the mark tells you later"), this.identifier),
      segments("How long to search", "preset", about.presets, asked.preset, this.set("preset")),
      h("label", {}, h("span", { class: "label" }, "How much may change"), slider, words),
      check("Full strength for every face, also where less would do", asked.full, this.set("full")),
      h("div", { class: "actions" }, this.go, this.hint),
    ].filter(Boolean));
  }

  update(state) {
    this.keys.update(state.keys);
    const count = Object.keys(this.tray.chosen()).length;
    this.go.disabled = count === 0;
    this.go.textContent = count > 1 ? `Hide faces in ${count} photos` : "Hide faces";
    this.hint.textContent = count ? "Press a face in a photo to leave it as it is." : "Drop a photo with a face first.";
  }

  async start() {
    const key = this.asked.method === "dpg" ? { ...this.keys.asked(), identifier: this.identifier.value } : {};
    await server.post("/api/protect", { ...this.asked, ...key, photos: this.tray.chosen() });
    await this.changed();
  }
}
