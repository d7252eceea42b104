/**
 * Hands requests in to Dropslot and learns what became of them: pushed over a WebSocket, or by asking.
 *
 * Asking is what never misses an answer. A push only makes it arrive earlier, so a lost one costs time and nothing else.
 */

const CALL_LIMIT_MS = 35_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const FIRST_ASK_MS = 1_000;
const IDS_PER_WATCH = 100;

/** The API won't take this call, however often it is made. `error` is the API's short name for why. */
export class Refused extends Error {
  constructor(status, { error = "refused", message = `The API answered ${status}.` }) {
    super(message);
    this.status = status;
    this.error = error;
  }
}

export class Client {
  #url;
  #websocketUrl;
  #fetch;
  #watchedAskMs;
  #socket = null;
  #connecting = false;
  #drops = 0;
  /** What is waited for, by type and id. */
  #open = new Map();

  /**
   * @param {object} options
   * @param {string} options.url - base URL of the API
   * @param {?string|function(): (string|Promise<string>)} options.websocketUrl - or what gives one for each connection,
   *   such as a presigned URL: a page can send no headers with it; without one, the client only asks
   * @param {function} options.fetch - the browser's, or one that signs calls or adds a header to them
   * @param {number} options.watchedAskMs - how often the API is asked for what is watched: a push can be lost, and a
   *   connection can die unnoticed
   */
  constructor({ url, websocketUrl = null, fetch = globalThis.fetch.bind(globalThis), watchedAskMs = 60_000 }) {
    this.#url = url.replace(/\/+$/, "");
    this.#websocketUrl = typeof websocketUrl === "string" ? () => websocketUrl : websocketUrl;
    this.#fetch = fetch;
    this.#watchedAskMs = watchedAskMs;
  }

  /**
   * Hand a request in. It is sent until there is an answer, always under the same key: it is stored once.
   *
   * @param {string} type - which path it goes to
   * @param {string} body - must be the same text for the same key
   * @param {string} key - made once for this request, and kept by the caller for as long as it isn't sure of the answer
   * @returns {Promise<{id: string, status: string}>} the present state; `done` or `failed` if it was sent before
   * @throws {Refused}
   */
  async submit(type, body, key, contentType = "application/json") {
    const headers = { "Content-Type": contentType, "Idempotency-Key": key };
    for (let failures = 0; ; failures += 1) {
      const answer = await this.#call(`/${type}`, { method: "PUT", headers, body });
      if (!answer.again) return answer.body;
      await pause(Math.max(jittered(failures), answer.waitMs));
    }
  }

  /**
   * Wait for a request's outcome.
   *
   * @returns {Promise<{id: string, status: string}>} `done` with `result`, `failed` with `error`, or `unknown` if this
   *   caller has no such request
   * @throws {Refused}
   */
  outcome(type, id) {
    const name = `${type}/${id}`;
    if (!this.#open.has(name)) {
      const wait = { type, id, name, watched: false, failures: 0, timer: null };
      wait.promise = new Promise((resolve, reject) => Object.assign(wait, { resolve, reject }));
      this.#open.set(name, wait);
      this.#askAfter(wait, FIRST_ASK_MS);
      if (this.#socket?.readyState === WebSocket.OPEN) this.#watch([wait]);
      this.#stayConnected();
    }
    return this.#open.get(name).promise;
  }

  async #ask(wait) {
    let answer;
    try {
      answer = await this.#call(`/${wait.type}/${encodeURIComponent(wait.id)}`, {});
    } catch (refused) {
      if (refused.error === "unknown_id") this.#settle(wait, { id: wait.id, status: "unknown" });
      else if (this.#forget(wait)) wait.reject(refused);
      return;
    }
    if (isSettled(answer.body)) {
      this.#settle(wait, answer.body);
      return;
    }
    wait.failures = answer.again ? wait.failures + 1 : 0;
    const next = answer.again ? Math.max(jittered(wait.failures), answer.waitMs) : answer.waitMs || FIRST_ASK_MS;
    this.#askAfter(wait, wait.watched ? Math.max(next, this.#watchedAskMs) : next);
  }

  #askAfter(wait, milliseconds) {
    clearTimeout(wait.timer);
    if (this.#open.get(wait.name) === wait) wait.timer = setTimeout(() => this.#ask(wait), milliseconds);
  }

  /** Both a push and an answer may tell of an outcome, the push even twice: the first one counts. */
  #settle(wait, state) {
    if (this.#forget(wait)) wait.resolve({ ...state, type: wait.type });
  }

  #forget(wait) {
    clearTimeout(wait.timer);
    return this.#open.get(wait.name) === wait && this.#open.delete(wait.name);
  }

  /** @returns the answer's body, or `again` if the call may be made again after `waitMs`. */
  async #call(path, options) {
    let answer, body;
    try {
      const limit = AbortSignal.timeout(CALL_LIMIT_MS);
      answer = await this.#fetch(this.#url + path, { cache: "no-store", signal: limit, ...options });
      body = parsed(await answer.text());
    } catch {
      return { again: true, waitMs: 0 };
    }
    const waitMs = 1_000 * (Number(answer.headers.get("Retry-After")) || 0);
    if (answer.status === 429 || answer.status >= 500) return { again: true, waitMs };
    if (!answer.ok) throw new Refused(answer.status, body);
    return "status" in body ? { body, waitMs } : { again: true, waitMs };
  }

  /** One connection after the other, while there is anything to wait for. */
  async #stayConnected() {
    if (this.#websocketUrl === null || this.#connecting) return;
    this.#connecting = true;
    while (this.#open.size > 0) {
      await this.#listen().catch((error) => console.warn("dropslot:", error.message));
      await pause(jittered(this.#drops));
      this.#drops += 1;
    }
    this.#connecting = false;
  }

  async #listen() {
    const socket = new WebSocket(await this.#websocketUrl());
    socket.onopen = () => {
      this.#socket = socket;
      this.#watch([...this.#open.values()]);
    };
    socket.onmessage = ({ data }) => this.#received(socket, parsed(data));
    await new Promise((closed) => (socket.onclose = closed));
    this.#socket = null;
    for (const wait of this.#open.values()) {
      // Not all clients at once: when a server goes, it goes for all of them.
      if (wait.watched) this.#askAfter(wait, Math.random() * FIRST_ASK_MS);
      wait.watched = false;
    }
  }

  #watch(waits) {
    for (const type of new Set(waits.map((wait) => wait.type))) {
      const ids = waits.filter((wait) => wait.type === type).map((wait) => wait.id);
      for (let from = 0; from < ids.length; from += IDS_PER_WATCH) {
        this.#socket.send(JSON.stringify({ action: "watch", type, ids: ids.slice(from, from + IDS_PER_WATCH) }));
      }
    }
  }

  #received(socket, frame) {
    if (!("id" in frame)) {
      // A watch wasn't taken. A new connection watches anew, later each time it doesn't help.
      console.warn("dropslot:", frame.message);
      socket.close();
      return;
    }
    this.#drops = 0;
    const wait = this.#open.get(`${frame.type}/${frame.id}`);
    if (wait === undefined) return;
    if (isSettled(frame) && !frame.result_omitted) {
      this.#settle(wait, frame);
    } else if (isSettled(frame) || frame.status === "unknown") {
      // The HTTP API knows the whole result, and has the last word on what is unknown.
      this.#askAfter(wait, 0);
    } else {
      wait.watched = true;
      this.#askAfter(wait, this.#watchedAskMs);
    }
  }
}

export function isSettled(state) {
  return state?.status === "done" || state?.status === "failed";
}

function parsed(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

function pause(milliseconds) {
  return new Promise((resume) => setTimeout(resume, milliseconds));
}

function jittered(failures) {
  return Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
}
