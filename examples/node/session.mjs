// One peer's session with the server: what clients, guardians and executors have in common.
// docs/protocol.md: "Native: frames and sessions", and "heartbeat".
import { randomBytes } from "node:crypto";
import { decode, encode } from "@msgpack/msgpack";
import { Dealer } from "zeromq";

const VERSION = "linebus/1";
const GREETING_S = 2;
const HEARTBEATS_MISSED_MAX = 3;
const SILENCE_LEAST_S = 3;
const TICK_MS = 100;
const MESSAGE_BYTES_TARGET = 524_288;
const OPTIONS = {
  sendTimeout: 0, // never wait for room,
  sendHighWaterMark: 0, // of which there is enough: window and credit bound what is under way
  heartbeatInterval: 5_000, // ZMTP's own: an executor learns in no other way that a host has vanished
  reconnectInterval: 50,
  reconnectMaxInterval: 500,
  linger: 500,
};
export const LINES_PER_MESSAGE_MAX = 4_096;
export const TEXT_BYTES_MAX = 262_144; // of a line's arguments, and of a reply's text

export const now = () => performance.now() / 1_000;

/** There is no session with the server: nobody listens there, or what listens does not greet. */
export class NoSession extends Error {}

/** The front of some texts that fits into one message; one at most goes beyond the target ("Two frames"). */
export function fitting(texts) {
  let count = 0;
  for (let bytes = 0; count < texts.length && bytes < MESSAGE_BYTES_TARGET; count += 1) {
    bytes += Buffer.byteLength(texts[count]);
  }
  return texts.slice(0, Math.min(count, LINES_PER_MESSAGE_MAX));
}

/**
 * The peer that owns a session has `hello(nonce, session)`, which returns its hello; `greeted(...fields)`;
 * `receive(type, fields)`; `isOwed`, whether it wants heartbeats; `ended(error)`, where nothing goes on any more.
 */
export class Session {
  everyS = 0.5; // between heartbeats
  #id = randomBytes(16); // a credential: not for logs
  #nonce = 0;
  #token; // undefined outside a session
  #helloAt; // undefined where no hello is under way
  #isConnected;
  #openAt = now(); // when there was a session, or nobody wanted one, last
  #heardAt = now();
  #beatAt = now();
  #ticking;

  constructor(address, peer, patienceS = Infinity) {
    Object.assign(this, { address, peer, patienceS });
    this.#connect();
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
  }

  get isOpen() {
    return this.#token !== undefined;
  }

  /** Send messages within the session, or drop them where there is none: the next greeting tells what is missing. */
  say(...messages) {
    if (this.isOpen && messages.length > 0) this.#send(this.#token, messages);
  }

  /** Say hello. Until the greeting comes there is no session. */
  hello() {
    this.#token = undefined;
    this.#helloAt = now();
    this.#nonce += 1;
    this.#send(VERSION, [this.peer.hello(this.#nonce, this.#id)]);
  }

  close() {
    clearInterval(this.#ticking);
    this.#token = undefined;
    this.socket.close();
  }

  #connect() {
    this.socket?.close();
    this.#cut();
    this.socket = new Dealer(OPTIONS);
    this.socket.events.on("handshake", () => ((this.#isConnected = true), this.hello()));
    this.socket.events.on("disconnect", () => this.#cut());
    try {
      this.socket.connect(this.address);
    } catch (error) {
      this.socket.close(); // what is open would keep the program running
      throw new Error(`'${this.address}' is not an address: ${error.message}`);
    }
    this.#listen(this.socket).catch((error) => this.#end(error));
  }

  #cut() {
    this.#isConnected = false;
    this.#token = this.#helloAt = undefined;
  }

  #send(first, messages) {
    if (!this.socket.closed) this.socket.send([first, encode(messages)]).catch(() => {}); // not connected: as in `say`
  }

  async #listen(socket) {
    for await (const [first, body] of socket) {
      if (first.equals(Buffer.from(VERSION))) this.#outside(...decode(body));
      else if (this.#token?.equals(first)) this.#within(decode(body));
      else if (`${first}`.startsWith("linebus/")) throw new Error(`the server speaks ${first}, not ${VERSION}`);
      // Else it came under a token that is not valid any more.
    }
  }

  #outside([type, ...fields]) {
    if (type === "refusal") {
      this.#end(new Error(`the server refuses: ${fields[1]}`));
    } else if (type === "hello_again") {
      if (fields[0] > 0) setTimeout(() => this.hello(), fields[0] * 1_000);
      else if (this.#helloAt === undefined) this.hello();
    } else if (fields[0] === this.#nonce) {
      this.#token = Buffer.from(fields[1]);
      this.#helloAt = undefined;
      this.#heardAt = this.#beatAt = now();
      this.peer.greeted(...fields.slice(2));
    }
  }

  #within(messages) {
    this.#heardAt = now();
    for (const [type, ...fields] of messages) {
      if (type === "heartbeat") this.everyS = fields[0];
      else this.peer.receive(type, fields);
    }
  }

  #tick() {
    if (this.#isConnected && now() - this.#helloAt > GREETING_S) this.hello();
    if (this.isOpen || !this.peer.isOwed) this.#openAt = now();
    if (!this.peer.isOwed) {
      this.#heardAt = now(); // the server has no reason to be heard: silence counts from here
    } else if (now() - this.#openAt > this.patienceS) {
      const what = this.#isConnected ? "what listens there does not greet" : "nobody listens there";
      this.#end(new NoSession(`no session with ${this.address}: ${what}`));
    } else if (this.isOpen && now() - this.#heardAt > Math.max(SILENCE_LEAST_S, HEARTBEATS_MISSED_MAX * this.everyS)) {
      this.#connect();
    } else if (now() - Math.max(this.#heardAt, this.#beatAt) >= this.everyS) {
      this.#beatAt = now();
      this.say(["heartbeat", this.everyS]);
    }
  }

  #end(error) {
    this.close();
    this.peer.ended(error);
  }
}
