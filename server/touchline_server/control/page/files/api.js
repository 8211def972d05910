// Requests to the control plane, with the key if there is one. The key stays in this tab's session storage.
// Addresses are relative to the page's, so that a proxy may serve both under any prefix.

const KEY = "touchline-key";

/** The server refused a request. `code` is for programs, `message` for people. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }

  get needsKey() {
    return this.code === "key_missing" || this.code === "key_wrong";
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value.trim()),
  forget: () => sessionStorage.removeItem(KEY),
};

export const status = () => request("status");
export const room = (name) => request(`rooms/${encodeURIComponent(name)}`);
export const kick = (player, seconds, reason) => request("players/kick", { player, seconds, reason });
export const drain = (worker) => request("workers/drain", { worker });

/** The server did not answer, or something else did, such as a proxy. */
export class NoAnswer extends Error {
  constructor() {
    super("The server does not answer.");
  }
}

const TIMEOUT_MS = 8000;

/** What an HTTP header can carry. A browser refuses to send anything else. */
const SENDABLE = /^[\x21-\x7e]+$/;

/** Throws `Refused`, or `NoAnswer`. */
async function request(path, body) {
  if (key.get() !== null && !SENDABLE.test(key.get())) {
    throw new Refused(403, "key_wrong", "A key has neither spaces nor letters such as ü in it.");
  }
  try {
    return await answered(path, body);
  } catch (error) {
    throw error instanceof Refused ? error : new NoAnswer();
  }
}

async function answered(path, body) {
  const headers = {};
  if (key.get() !== null) headers.Authorization = `Bearer ${key.get()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(`../v1/${path}`, {
    method: body === undefined ? "GET" : "POST",
    body: body === undefined ? undefined : JSON.stringify(body),
    headers,
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const answer = await response.json();
  if (!response.ok) throw new Refused(response.status, answer.error.code, answer.error.message);
  return answer;
}
