// Choosing a key: open a file, or make one; its passphrase is kept in this tab alone.

import * as server from "./ask.js";
import { doing, h } from "./parts.js";

export class Keys {
  constructor(kind, changed, { register = false, make = false } = {}) {
    this.kind = kind;
    this.changed = changed;
    this.register = register;
    this.make = make;
    this.keys = [];
    this.stamp = "";
    this.chosen = "";
    this.element = h("div", { class: "stack" });
  }

  get key() {
    return this.keys.find((key) => key.id === this.chosen);
  }

  /** What the server is asked with. */
  asked() {
    return { key: this.chosen, passphrase: this.word?.value ?? "" };
  }

  update(keys) {
    const known = new Set(this.keys.map((key) => key.id));
    this.keys = keys.filter((key) => key.kind === this.kind && key.there);
    // The newest is the one that was just made or opened.
    if (!this.key || !known.has(this.keys.at(-1).id)) this.chosen = this.keys.at(-1)?.id ?? "";
    const stamp = JSON.stringify([this.keys.map((key) => [key.id, key.sealed, key.register]), this.chosen]);
    if (stamp === this.stamp) return;
    this.stamp = stamp;
    this.draw();
  }

  choose(id) {
    this.chosen = id;
    this.draw();
  }

  draw() {
    const typed = this.word?.value ?? "";
    this.word = null;
    const parts = [];
    if (this.keys.length) {
      const select = h("select", { onChange: (event) => this.choose(event.target.value) },
        this.keys.map((key) => h("option", { value: key.id, selected: key.id === this.chosen }, key.name)));
      parts.push(h("label", {}, h("span", { class: "label" }, "Key"), select));
    }
    parts.push(h("div", { class: "row" },
      this.opener("Open a key file", (file) => this.open(file)),
      this.make && h("button", { type: "button", onClick: doing(() => this.makeNew()) }, "Make a new key")));
    if (this.key?.sealed) {
      this.word = h("input", { type: "password", autocomplete: "off", value: typed });
      parts.push(h("label", {}, h("span", { class: "label" }, "Passphrase of the key"), this.word));
    }
    if (this.key) parts.push(h("div", { class: "row" },
      h("button", { type: "button", onClick: doing(() => server.download("key", this.chosen)) }, "Download this key"),
      this.key.register && h("button", { type: "button", onClick: doing(() => server.download("register", this.chosen)) }, "Download its register")));
    if (this.key && this.register && !this.key.register)
      parts.push(h("p", { class: "hint" }, "The key's register (its name ends in .ids) says which marks it gave out."),
        this.opener("Open its register", (file) => this.openRegister(file)));
    this.element.replaceChildren(...parts);
  }

  opener(label, take) {
    return h("label", { class: "button" }, label, h("input", { type: "file", "aria-label": label, onChange: doing(async (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) await take(file);
    }) }));
  }

  async open(file) {
    const key = await server.bring("/api/keys", file);
    if (key.kind === this.kind) this.chosen = key.id;
    await this.changed();
    if (key.kind !== this.kind) throw new Error(`${key.name} is a ${key.kind} key; this needs a ${this.kind} key.`);
  }

  async openRegister(file) {
    await server.bring(`/api/keys/${this.chosen}/register`, file);
    await this.changed();
  }

  async makeNew() {
    this.chosen = (await server.post("/api/keys/make", { name: "my.key" })).id;
    await this.changed();
  }
}
