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
    this.element = h("div", { class: "stack", onInput: () => this.tell(), onChange: () => this.tell() });
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

  /** All that decides how a photo comes out. */
  wish() {
    const mark = this.asked.method === "dpg" ? { ...this.keys.asked(), identifier: this.identifier.value } : {};
    return { ...this.asked, ...mark };
  }

  update(state) {
    this.keys.update(state.keys);
    this.tell();
  }

  tell() {
    const { photos, again } = this.tray.fresh(this.wish());
    const count = Object.keys(photos).length;
    this.go.disabled = count === 0;
    this.go.textContent = `Hide faces${count > 1 ? ` in ${count} photos` : ""}${again ? " again" : ""}`;
    this.hint.textContent = count ? "Press a face in a photo to leave it as it is." : "Drop a photo with a face first.";
  }

  async start() {
    const wish = this.wish();
    const { photos } = this.tray.fresh(wish);
    await server.post("/api/protect", { ...wish, photos });
    this.tray.remember(wish, photos);
    await this.changed();
  }
}
