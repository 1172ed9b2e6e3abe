// Talks to the server of this page, and to nobody else. The secret lives in this tab alone:
// cookies would be sent to every other server on this machine.

const KEY = "bauta-secret";
let secret = sessionStorage.getItem(KEY) ?? "";

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const headers = (more = {}) => ({ Authorization: `Bearer ${secret}`, ...more });

async function answered(response) {
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Refused(said.error ?? `The server said ${response.status}.`, response.status);
}

async function sent(path, options) {
  try {
    return await answered(await fetch(path, options));
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused("Bauta does not answer. Was it closed in the terminal?", 0);
  }
}

export async function get(path) {
  return (await sent(path, { headers: headers() })).json();
}

export async function post(path, body = {}) {
  const options = { method: "POST", body: JSON.stringify(body), headers: headers() };
  return (await sent(path, options)).json();
}

export async function remove(path) {
  await sent(path, { method: "DELETE", headers: headers() });
}

/** Open a room with the link's word, once. */
export async function enter(link) {
  secret = (await post("/api/session", { link })).secret;
  sessionStorage.setItem(KEY, secret);
}

export const isIn = () => secret !== "";

export function forget() {
  secret = "";
  sessionStorage.removeItem(KEY);
}

/** Send a file, telling the share that has arrived; fetch() cannot tell. */
export function bring(path, file, tell = () => {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.setRequestHeader("X-Name", encodeURIComponent(file.name));
    request.responseType = "json";
    request.upload.onprogress = (event) => tell(event.loaded / (event.total || 1));
    request.onload = () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Refused(request.response?.error ?? "It was not taken.", request.status));
    };
    request.onerror = () => reject(new Refused("The file could not be sent.", 0));
    request.send(file);
  });
}

/** A picture as an address that this tab alone can use. */
export async function picture(path) {
  const response = await sent(path, { headers: headers() });
  return URL.createObjectURL(await response.blob());
}

/** Save a file: "photo", "key", "register" with an id, or "all". */
export async function download(what, id = "") {
  const { link } = await post("/api/tickets", { what, id });
  const anchor = document.createElement("a");
  anchor.href = link;
  anchor.download = "";
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}
