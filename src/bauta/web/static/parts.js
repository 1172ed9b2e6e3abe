// Pieces that pages are made of.

/** An element: h("p", { class: "hint" }, "text", ...). Handlers are given as onClick and so on. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name === "className" ? "class" : name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Tell who listens instead of looking. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Show a problem at the top of the page, or none. */
export function problem(error) {
  const box = document.getElementById("problem");
  box.hidden = !error;
  box.textContent = error ? (error.message ?? String(error)) : "";
  if (error) box.scrollIntoView({ block: "nearest" });
}

/** Run what a button does; what is refused is shown. */
export function doing(action) {
  return async (event) => {
    problem(null);
    try {
      await action(event);
    } catch (error) {
      problem(error);
    }
  };
}

/** Radio buttons with a title and a sentence each. */
export function choices(legend, name, options, value, onChange) {
  return h("fieldset", {}, h("legend", {}, legend), options.map((option) =>
    h("label", { class: "choice" },
      h("input", { type: "radio", name, value: option.name, checked: option.name === value, onChange: () => onChange(option.name) }),
      h("span", {}, h("b", {}, option.title), h("span", {}, option.about)))));
}

/** The same in a row: the sentence is that of the chosen one. */
export function segments(legend, name, options, value, onChange) {
  const words = h("p", { class: "hint" });
  const tell = (chosen) => {
    words.textContent = options.find((option) => option.name === chosen).about;
  };
  tell(value);
  return h("fieldset", {}, h("legend", {}, legend), h("div", { class: "segments" }, options.map((option) =>
    h("label", { class: "choice" },
      h("input", { type: "radio", name, value: option.name, checked: option.name === value, onChange: () => {
        tell(option.name);
        onChange(option.name);
      } }),
      h("b", {}, option.title)))), words);
}

export function check(label, value, onChange) {
  return h("label", { class: "inline" },
    h("input", { type: "checkbox", checked: value, onChange: (event) => onChange(event.target.checked) }),
    h("span", {}, label));
}

/** Before and after, one above the other, with a line between them that is moved. */
export function compare(before, after, width, height, what, least = 0) {
  const top = h("img", { class: "top", src: after, alt: `${what}, after` });
  const line = h("span", { class: "line" });
  const cut = (value) => {
    top.style.clipPath = `inset(0 0 0 ${value}%)`;
    line.style.left = `${value}%`;
  };
  cut(50);
  return h("div", { class: "picture", style: { aspectRatio: `${width} / ${height}`, width: fitting(width, height, least) } },
    h("img", { src: before, alt: `${what}, before` }), top, line,
    h("span", { class: "tag left" }, "before"), h("span", { class: "tag right" }, "after"),
    h("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": `${what}: how much of the original is shown`, onInput: (event) => cut(event.target.value) }));
}

/** As wide as there is room, but no higher than the window, and enlarged up to a least width only. */
export const fitting = (width, height, least = 0) => `min(100%, ${(70 * width) / height}vh, ${Math.max(width, least)}px)`;

export const sized = (bytes) => bytes > 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`;
