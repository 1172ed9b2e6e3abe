// The panel "Personal mask": fit one, put it on, take it off.

import * as server from "./ask.js";
import { Keys } from "./keys.js";
import { check, choices, doing, h } from "./parts.js";

export class Masks {
  constructor(about, tray, changed) {
    this.about = about;
    this.tray = tray;
    this.changed = changed;
    this.method = "chameleon";
    this.anybody = false;
    this.keys = new Keys("mask", changed);
    this.name = h("input", { type: "text", value: "me.mask", maxlength: "80" });
    this.word = h("input", { type: "password", autocomplete: "new-password" });
    this.fit = h("button", { type: "button", class: "main", onClick: doing(() => this.start()) });
    this.on = h("button", { type: "button", class: "main", onClick: doing(() => this.wear(false)) }, "Put it on");
    this.off = h("button", { type: "button", onClick: doing(() => this.wear(true)) }, "Take it off");
    this.bar = h("progress", { max: "1", "aria-label": "Fitting the mask" });
    this.progress = h("div", { hidden: true }, h("p", { class: "hint" }, "Fitting the mask"), this.bar);
    this.failed = h("p", { class: "verdict bad", hidden: true });
    this.wearing = h("div", { class: "stack" }, this.keys.element,
      check("On the chosen faces, whoever they look like (else only on the owner's)", false, (value) => (this.anybody = value)),
      this.on, this.off);
    this.element = h("div", { class: "stack" },
      h("h2", {}, "One mask for all your photos"),
      h("p", { class: "hint" }, "A mask is fitted once, on photos of you, and put on any photo in a moment. The same file is the key that takes it off. Keep it: whoever has it sees through."),
      h("h3", {}, "1. Fit a mask on the photos here"),
      choices("From", "mask-method", about.masks, this.method, (value) => {
        this.method = value;
      }),
      h("label", {}, h("span", { class: "label" }, "Name of the file"), this.name),
      h("label", {}, h("span", { class: "label" }, "Passphrase (may be empty)"), this.word),
      this.fit, this.progress, this.failed,
      h("h3", {}, "2. Put it on, or take it off"), this.wearing);
  }

  update(state) {
    this.keys.update(state.keys);
    const count = Object.keys(this.tray.chosen()).length;
    const key = state.keys.findLast((one) => one.kind === "mask" && one.job);
    const running = ["waiting", "running"].includes(key?.job.status);
    this.fit.disabled = running || count === 0;
    this.fit.textContent = count > 1 ? `Fit a mask on ${count} photos` : "Fit a mask";
    this.progress.hidden = !running;
    this.bar.value = key?.job.share ?? 0;
    this.failed.hidden = key?.job.status !== "failed";
    this.failed.textContent = key?.job.error ?? "";
    this.on.disabled = this.off.disabled = count === 0 || !this.keys.key;
  }

  async start() {
    const asked = { method: this.method, name: this.name.value, passphrase: this.word.value };
    await server.post("/api/masks/fit", { ...asked, photos: this.tray.chosen() });
    await this.changed();
  }

  async wear(off) {
    await server.post("/api/masks/wear", { ...this.keys.asked(), off, anybody: this.anybody, photos: this.tray.chosen() });
    await this.changed();
  }
}
