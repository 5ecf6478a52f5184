// All that goes over the wire. Every failure is a StudioError with a sentence and an advice.

export class StudioError extends Error {
  constructor({ kind = "Error", message, advice = "" }, status = 0, body = null) {
    super(message);
    this.kind = kind;
    this.advice = advice;
    this.status = status;
    this.body = body;
  }
}

// The page may be served below a prefix by a proxy, so the place is where this module lies.
const BASE = new URL("..", import.meta.url).pathname;

/** The address of a route of the studio: "render.png" with its query. */
export function address(route, query = {}) {
  const url = new URL(BASE + route, location.origin);
  for (const [key, value] of Object.entries(query)) if (value !== null && value !== undefined && value !== "") url.searchParams.set(key, value);
  return url.pathname + url.search;
}

export async function get(route, query, signal) {
  return answer(await reach(address(route, query), { signal }));
}

export async function post(route, body = {}, signal) {
  const headers = { "Content-Type": "application/json" };
  return answer(await reach(address(route), { method: "POST", headers, body: JSON.stringify(body), signal }));
}

/** A picture, with the canvas rectangle [x, y, w, h] that it covers. */
export async function picture(route, query, signal) {
  const response = await reach(address(route, query), { signal });
  if (!response.ok) await answer(response);
  const bounds = (response.headers.get("X-Bounds") || "").split(",").map(Number);
  return { bitmap: await createImageBitmap(await response.blob(), { premultiplyAlpha: "premultiply" }), bounds };
}

/** Send a file; `progress` gets the sent part, 0 to 1. */
export function upload(file, progress = () => {}, signal = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("file", file);
    request.open("POST", address("upload"));
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onerror = () => reject(new StudioError({ kind: "Offline", message: "The studio does not answer." }));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    request.onload = () => {
      const body = request.response || {};
      if (request.status < 300) resolve(body.upload);
      else reject(new StudioError(body.error || { message: `The upload failed (${request.status}).` }, request.status, body));
    };
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

const AGAIN_MS = 3000;

/** Events of the session as they come; `handlers` by name get the data, "open" and "error" nothing. */
export function listen(handlers) {
  const source = new EventSource(address("events"));
  for (const [name, handler] of Object.entries(handlers)) {
    if (name === "open" || name === "error") source.addEventListener(name, () => handler());
    else source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
  }
  // The browser comes back by itself unless it got an answer that is no stream, such as a proxy's.
  source.addEventListener("error", () => source.readyState === EventSource.CLOSED && setTimeout(() => listen(handlers), AGAIN_MS));
}

async function reach(url, options) {
  try {
    return await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new StudioError({ kind: "Offline", message: "The studio does not answer.", advice: "Is it still running?" });
  }
}

async function answer(response) {
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  if (response.status === 401) location.reload(); // the login ended: the server shows its page
  throw new StudioError(body?.error || { message: `The studio answered ${response.status}.` }, response.status, body);
}
