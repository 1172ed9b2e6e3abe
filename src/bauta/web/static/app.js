// Opens the room, shows the panel that the address asks for, and asks how things stand.

import * as server from "./ask.js";
import { Masks } from "./masks.js";
import { doing, h, problem } from "./parts.js";
import { Tray } from "./photos.js";
import { Protect } from "./protect.js";
import { Trace } from "./trace.js";

const PAGES = ["hide", "mask", "trace", "limits"];
const OFTEN = 500;
let timer = 0;
let panels = {};
let tray = null;

const page = () => (PAGES.includes(location.hash.slice(1)) ? location.hash.slice(1) : "hide");

function route() {
  const now = page();
  for (const link of document.querySelectorAll("nav a"))
    if (link.hash === `#${now}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  document.getElementById("limits").hidden = now !== "limits";
  document.getElementById("main").hidden = now === "limits" || !tray;
  if (tray && now !== "limits") {
    document.getElementById("panel").replaceChildren(panels[now].element);
    changed().catch(problem);
  }
}

/** Ask how everything stands, and again soon while something is being done. */
async function changed() {
  clearTimeout(timer);
  const state = await server.get("/api/state");
  tray.update(state.photos);
  for (const panel of Object.values(panels)) panel.update(state);
  clearTimeout(timer);
  if (state.busy) timer = setTimeout(() => changed().catch(problem), OFTEN);
}

/** Whether this tab has a room already, as after a reload. */
async function known() {
  if (!server.isIn()) return false;
  try {
    await server.get("/api/state");
    return true;
  } catch (error) {
    if (error.status !== 401) throw error;
    return false;
  }
}

async function start() {
  const word = location.hash.slice(1);
  const linked = word !== "" && !PAGES.includes(word);
  // The word is good once; it stays neither in the address nor in the history.
  if (linked) history.replaceState(null, "", "#hide");
  if (linked && !(await known())) await server.enter(word);
  if (!server.isIn()) throw new Error("Open the link that the terminal shows: it lets this page in.");
  const about = await server.get("/api/about");
  document.getElementById("version").textContent = `Bauta ${about.version}. Judges here: ${about.judges.join(", ")}.`;
  tray = new Tray(changed);
  panels = { hide: new Protect(about, tray, changed), mask: new Masks(about, tray, changed), trace: new Trace(about, tray, changed) };
  const wipe = document.getElementById("wipe");
  wipe.hidden = false;
  wipe.addEventListener("click", doing(async () => {
    await server.remove("/api/session");
    server.forget();
    clearTimeout(timer);
    document.body.replaceChildren(h("p", { class: "box" }, "Everything was wiped. You can close this page."));
  }));
}

window.addEventListener("hashchange", route);
start().catch((error) => {
  if (error.status === 401) server.forget();
  problem(error);
}).finally(route);
