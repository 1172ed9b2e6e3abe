// The tray: photos that were dropped, their faces, and what came of them.

import * as server from "./ask.js";
import { compare, doing, fitting, h, problem, say, sized } from "./parts.js";

const TONES = { protected: "good", weakened: "open", unjudged: "open", recognisable: "bad" };
const WAITS = { protect: "Hiding faces", mask: "Putting the mask on", unmask: "Taking the mask off", trace: "Looking for a mark" };
const VIDEO = "this page takes photos. For a video, type bauta protect and its name in the terminal.";
const AT_ONCE = 2;
/** Small faces are enlarged to so many pixels, as changes are looked for in them. */
const FACE_WIDTH = 420;

export class Tray {
  constructor(changed) {
    this.changed = changed;
    this.cards = new Map();
    this.list = document.getElementById("photos");
    this.tools = document.getElementById("tools");
    this.drop = document.getElementById("drop");
    const input = document.getElementById("files");
    input.addEventListener("change", () => {
      this.take([...input.files]);
      input.value = "";
    });
    for (const kind of ["dragenter", "dragover"])
      document.addEventListener(kind, (event) => {
        event.preventDefault();
        this.drop.classList.add("over");
      });
    for (const kind of ["dragleave", "drop"])
      document.addEventListener(kind, (event) => {
        event.preventDefault();
        if (kind === "drop" || event.target === this.drop) this.drop.classList.remove("over");
      });
    document.addEventListener("drop", (event) => this.take([...event.dataTransfer.files]));
  }

  /** Send files, two at a time; a file that is refused says so in its place. */
  async take(files) {
    problem(null);
    const waiting = files.map((file) => {
      const bar = h("progress", { max: "1", value: "0", "aria-label": `Taking in ${file.name}` });
      const words = h("p", { class: "hint" }, "Taking it in");
      const item = h("li", { class: "photo" }, h("header", {}, h("h3", {}, file.name)), words, bar);
      this.list.append(item);
      return { file, bar, words, item };
    });
    const next = async () => {
      for (let one = waiting.shift(); one; one = waiting.shift()) {
        try {
          if (one.file.type.startsWith("video/")) throw new Error(VIDEO);
          await server.bring("/api/photos", one.file, (share) => (one.bar.value = share));
          one.item.remove();
        } catch (error) {
          one.bar.remove();
          one.words.replaceWith(h("p", { class: "verdict bad" }, h("b", {}, "Not taken: "), error.message));
          one.item.firstChild.append(h("button", { type: "button", class: "quiet", "aria-label": `Dismiss ${one.file.name}`, onClick: () => one.item.remove() }, "Dismiss"));
        }
        await this.changed();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
  }

  update(photos) {
    const there = new Set(photos.map((photo) => photo.id));
    for (const [id, card] of this.cards)
      if (!there.has(id)) {
        card.close();
        this.cards.delete(id);
      }
    for (const photo of photos) {
      if (!this.cards.has(photo.id)) {
        const card = new Card(photo, this.changed);
        this.cards.set(photo.id, card);
        this.list.append(card.element);
      }
      this.cards.get(photo.id).update(photo);
    }
    this.drop.classList.toggle("slim", photos.length > 0);
    this.updateTools(photos);
  }

  updateTools(photos) {
    const done = photos.filter((photo) => photo.result?.status === "done" && photo.result.kind !== "trace");
    const hidden = done.filter((photo) => photo.result.data.verdict === "protected").length;
    const words = done.length ? `${done.length} of ${photos.length} done, ${hidden} hidden` : `${photos.length} photo${photos.length === 1 ? "" : "s"}`;
    if (this.shown === words) return;
    this.shown = words;
    this.tools.hidden = photos.length < 2;
    const all = h("button", { type: "button", onClick: doing(() => server.download("all")) }, "Download all");
    all.hidden = done.length < 2;
    this.tools.replaceChildren(h("strong", {}, words), all,
      h("button", { type: "button", class: "quiet", onClick: doing(() => this.removeAll()) }, "Remove all"));
  }

  async removeAll() {
    for (const id of [...this.cards.keys()]) await server.remove(`/api/photos/${id}`);
    await this.changed();
  }

  /** Photos and chosen faces, as the server is asked: { id: [1, 3] }. */
  chosen() {
    const chosen = {};
    for (const [id, card] of this.cards) if (card.faces().length) chosen[id] = card.faces();
    return chosen;
  }

  /** Those that were not asked the same of before; all of them if there is nothing new. */
  fresh(asked) {
    const all = Object.entries(this.chosen());
    const fresh = all.filter(([id, faces]) => this.cards.get(id).asked !== JSON.stringify([asked, faces]));
    return { photos: Object.fromEntries(fresh.length ? fresh : all), again: all.length > 0 && fresh.length === 0 };
  }

  /** Remember what was asked, so that it is not done twice unasked. */
  remember(asked, photos) {
    for (const [id, faces] of Object.entries(photos)) this.cards.get(id).asked = JSON.stringify([asked, faces]);
  }
}

class Card {
  constructor(photo, changed) {
    this.id = photo.id;
    this.changed = changed;
    this.addresses = new Map();
    this.left = new Set();
    this.view = 0;
    this.stamp = "";
    this.turn = 0;
    this.asked = "";
    this.words = h("p", { class: "hint" });
    this.bar = h("progress", { max: "1" });
    this.body = h("div", { class: "stack" });
    this.element = h("li", { class: "photo" },
      h("header", {}, h("h3", { title: photo.name }, photo.name), h("small", {}, sized(photo.bytes)),
        h("button", { type: "button", class: "quiet", "aria-label": `Remove ${photo.name}`, onClick: doing(() => this.remove()) }, "Remove")),
      this.body);
  }

  /** Numbers of the chosen faces; none while it is not known which there are. */
  faces() {
    const count = this.photo?.look?.data.faces?.length ?? 0;
    return Array.from({ length: count }, (_, at) => at + 1).filter((number) => !this.left.has(number));
  }

  update(photo) {
    this.photo = photo;
    const { look, result } = photo;
    const stamp = [look?.id, look?.status, result?.id, result?.status].join();
    this.bar.value = (result ?? look)?.share ?? 0;
    if (stamp === this.stamp) return;
    const before = this.stamp;
    this.stamp = stamp;
    if (before.split(",")[0] !== String(look?.id)) this.left.clear();
    this.draw().catch(problem);
  }

  async draw() {
    const turn = (this.turn += 1);
    const { look, result, name } = this.photo;
    if (!look || look.status === "waiting" || look.status === "running") return this.show(this.wait("Looking for faces"));
    if (look.status !== "done") return this.show(h("p", { class: "verdict bad" }, h("b", {}, "Cannot be opened: "), look.error));
    const under = [];
    if (!look.data.faces.length) under.push(this.faceless());
    if (result && (result.status === "waiting" || result.status === "running")) {
      under.push(this.wait(result.status === "waiting" ? `${WAITS[result.kind]}: waiting for its turn` : WAITS[result.kind]),
        h("button", { type: "button", onClick: doing(() => this.stop()) }, "Stop"));
    } else if (result?.status === "failed") under.push(failed(result));
    else if (result?.status === "done") under.push(...this.outcome(result));
    const compares = result?.status === "done" && result.kind !== "trace";
    const figure = compares ? await this.compared() : await this.plain();
    // Something newer may have been drawn while pictures came.
    if (turn !== this.turn) return;
    this.show(figure, ...under);
    if (result?.status === "done") say(`${name}: ${result.data.title ?? result.data.answer}`);
    if (result && (result.kind !== "protect" || ["failed", "stopped"].includes(result.status))) this.asked = "";
    if (result?.status === "failed") say(`${name}: ${result.error}`);
  }

  show(...parts) {
    this.body.replaceChildren(...parts.filter(Boolean));
  }

  wait(words) {
    this.words.textContent = words;
    this.bar.setAttribute("aria-label", `${words}: ${this.photo.name}`);
    return h("div", {}, this.words, this.bar);
  }

  /** The photo with its faces to be chosen. */
  async plain() {
    const { width, height, faces } = this.photo.look.data;
    const source = await this.address("before", 0);
    return h("div", { class: "picture", style: { aspectRatio: `${width} / ${height}`, width: fitting(width, height) } },
      h("img", { src: source, alt: this.photo.name }), faces.map((box, at) => this.face(at + 1, box, width, height)));
  }

  face(number, [left, top, right, bottom], width, height) {
    const inside = (value, whole) => `${Math.max(0, Math.min(100, (100 * value) / whole))}%`;
    const button = h("button", {
      type: "button",
      class: top / height < 0.08 ? "face low" : "face",
      "aria-pressed": String(!this.left.has(number)),
      "aria-label": `Face ${number}`,
      title: "Press to leave this face as it is, or to take it in again",
      style: { left: inside(left, width), top: inside(top, height), width: inside(right - left, width), height: inside(bottom - top, height) },
    });
    const label = h("span", {});
    const words = () => {
      label.textContent = this.left.has(number) ? `${number} stays as it is` : `${number}`;
    };
    button.append(label);
    words();
    button.addEventListener("click", () => {
      if (!this.left.delete(number)) this.left.add(number);
      button.setAttribute("aria-pressed", String(!this.left.has(number)));
      words();
      this.changed().catch(problem);
    });
    return button;
  }

  /** Before and after, of the whole photo or of a face; or the faces, to choose among them anew. */
  async compared() {
    const { width, height, faces } = this.photo.look.data;
    const place = h("div", {});
    const tabs = [];
    const choose = h("button", { type: "button", class: "tab", onClick: doing(async () => {
      place.replaceChildren(await this.plain());
      for (const tab of [...tabs, choose]) tab.setAttribute("aria-pressed", String(tab === choose));
    }) }, "Choose faces");
    const open = async (view) => {
      this.view = view;
      const [before, after] = await Promise.all([this.address("before", view), this.address("after", view)]);
      const what = view ? `Face ${view}` : "Whole photo";
      const size = view ? await measured(before) : [width, height];
      place.replaceChildren(compare(before, after, ...size, what, view ? FACE_WIDTH : 0));
      [...tabs, choose].forEach((tab, at) => tab.setAttribute("aria-pressed", String(at === view)));
    };
    for (let view = 0; view <= faces.length; view += 1)
      tabs.push(h("button", { type: "button", class: "tab", onClick: doing(() => open(view)) }, view ? `Face ${view}` : "Whole photo"));
    await open(Math.min(this.view, faces.length));
    return h("div", { class: "stack" }, h("div", { class: "row" }, tabs, faces.length > 0 && choose), place);
  }

  faceless() {
    return h("div", { class: "verdict open" }, h("p", {}, h("b", {}, "No face was found. "), "A face may have been overlooked."),
      h("button", { type: "button", onClick: doing(() => this.lookAgain()) }, "Look for smaller faces"));
  }

  outcome(result) {
    const { data, kind } = result;
    if (kind === "trace") return traced(data, this.photo);
    const tone = TONES[data.verdict] ?? "good";
    const left = data.left_out?.length ? `Left out of the file: ${data.left_out.join(", ")}.` : "There was nothing private in the file's metadata.";
    return [
      h("div", { class: `verdict ${tone}` }, h("p", {}, h("b", {}, `${data.title}. `), data.sentence)),
      data.faces?.length > 0 && h("details", {}, h("summary", {}, "What each judge says"), data.faces.map(judged),
        data.estimated && h("p", { class: "hint" }, "Shares of other photos are estimated from the original.")),
      (data.more ?? []).map((line) => h("p", { class: "hint" }, line)),
      h("p", { class: "hint" }, left),
      h("div", { class: "row" },
        h("button", { type: "button", class: "main", onClick: doing(() => server.download("photo", this.id)) }, "Download")),
    ].flat().filter(Boolean);
  }

  async address(when, number) {
    const stamp = when === "after" ? this.photo.result.id : this.photo.look.id;
    const key = `${when}-${number}-${stamp}`;
    if (!this.addresses.has(key)) this.addresses.set(key, await server.picture(`/api/photos/${this.id}/${when}-${number}.jpg`));
    return this.addresses.get(key);
  }

  async lookAgain() {
    await server.post(`/api/photos/${this.id}/look`);
    await this.changed();
  }

  async stop() {
    await server.post(`/api/photos/${this.id}/stop`);
    await this.changed();
  }

  async remove() {
    await server.remove(`/api/photos/${this.id}`);
    await this.changed();
  }

  close() {
    for (const address of this.addresses.values()) URL.revokeObjectURL(address);
    this.element.remove();
  }
}

function measured(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve([image.naturalWidth, image.naturalHeight]);
    image.onerror = () => reject(new Error("A picture cannot be shown."));
    image.src = source;
  });
}

/** What the library says is said to the command line as well; here are other things to press. */
const NOBODY = {
  mask: "no face here looks like the owner of this key. Choose “On the chosen faces” to put it on all the same.",
  unmask: "no face here wears this mask. Use the key that it was masked with; strong changes may also have worn it off.",
};

function failed(result) {
  const words = (result.why === "NoFaceError" && NOBODY[result.kind]) || result.error;
  return h("p", { class: "verdict bad" }, h("b", {}, "Not done: "), words);
}

function judged(face) {
  return h("div", {}, h("h3", {}, `Face ${face.number}: ${face.title.toLowerCase()}`),
    h("ul", { class: "judges" }, face.judges.map((judge) =>
      h("li", { class: judge.tone }, h("b", {}, judge.name), ` ${judge.sentence}`, h("small", {}, ` — ${judge.role}`)))));
}

function traced(data) {
  const words = { yours: "Yours", "not yours": "Marked with another key", unreadable: "No mark can be read" };
  const tone = data.answer === "yours" ? "good" : "open";
  return [
    h("div", { class: `verdict ${tone}` }, h("p", {}, h("b", {}, `${words[data.answer]}. `),
      data.answer === "yours" ? "" : "That is no proof: marks wear off by strong changes, and small faces carry none.")),
    h("ul", { class: "judges" }, data.faces.map((face) => h("li", { class: face.answer === "yours" ? "good" : "open" },
      h("b", {}, `Face ${face.number}: `),
      face.answer === "yours"
        ? `“${face.identifier}” (${face.agreeing} of 64 bits; by chance once in ${(1 / Math.max(face.chance, 1e-300)).toExponential(0)})`
        : words[face.answer].toLowerCase()))),
  ];
}
