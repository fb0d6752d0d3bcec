// A worker: a guardian, and executors in processes of their own that run the services' code.
// docs/protocol.md: "Native: guardians", "Native: executors"; the rules in comments are those of "The stream".
import { fork } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fitting, now, Session, TEXT_BYTES_MAX } from "./session.mjs";

const CREDIT_LINES = { start: 16, min: 2, max: 8_192 };
const CREDIT_S = 0.02; // of work that waits at the executor: enough to hide the way, little to lose
const FLUSH_S = 0.000_5;
const RESTART_MS = 100;
const STOP_MS = 5_000;
const EXECUTOR = "LINEBUS_EXECUTOR"; // in its environment
const POSITION_FD = 4; // after stdin, stdout, stderr and the channel to the guardian

/** A service throws it to refuse its arguments; any other exception is a fault of the service. */
export class Refused extends Error {}

/**
 * Offer services: name → { usage, doc, run }, where `run` takes the arguments as one string and returns the reply's
 * text or a promise of it. For each executor the guardian starts the program that calls this once more.
 */
export function work(services, address, executors = 1) {
  if (!process.env[EXECUTOR]) return new Guardian(services, address, executors);
  if (!process.connected) return; // the guardian has stopped meanwhile
  process.on("SIGINT", () => {}); // Ctrl-C reaches everyone in the terminal; the guardian says when to stop
  process.once("message", (key) => new Executor(services, address, Buffer.from(key, "hex")));
}

function ended(error) {
  console.error(error.message);
  process.exit(2);
}

class Guardian {
  isOwed = true; // its heartbeats keep the worker alive
  ended = ended;
  #executors = new Map(); // child process → the SHA-256 of its key
  #news = []; // since the last hello, not sent yet
  #isStopping = false;

  constructor(services, address, executors) {
    this.services = Object.entries(services).map(([name, { usage, doc }]) => [name, usage, doc]);
    this.session = new Session(address, this);
    for (let count = 0; count < executors; count += 1) this.#start();
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => this.#stop());
  }

  #start() {
    if (this.#isStopping) return;
    const key = randomBytes(32); // through the channel: arguments and the environment are for all to see
    const name = createHash("sha256").update(key).digest();
    const path = join(tmpdir(), randomUUID()); // for the executor's position, which outlives a kill -9
    const file = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    const stdio = ["ignore", "inherit", "inherit", "ipc", file];
    const env = { ...process.env, [EXECUTOR]: "1" };
    const child = fork(process.argv[1], process.argv.slice(2), { stdio, env });
    child.send(key.toString("hex"), () => {}); // a child that is dead already is noticed below
    child.on("exit", (code, signal) => this.#exited(child, file, signal ? `killed by ${signal}` : `exit code ${code}`));
    this.#executors.set(child, name);
    this.#tell(["vouch", name]);
  }

  #exited(child, file, reason) {
    const position = new BigUint64Array(1);
    readSync(file, position, 0, 8, 0);
    closeSync(file);
    this.#tell(["lost", this.#executors.get(child), Number(position[0]), reason]);
    this.#executors.delete(child);
    if (!this.#isStopping) setTimeout(() => this.#start(), RESTART_MS);
    else if (this.#executors.size === 0) this.#leave();
  }

  #tell(...news) {
    this.#news.push(...news);
    if (this.session.isOpen) this.session.say(...this.#news.splice(0));
  }

  /** Let each executor finish the line at hand: the end of its channel tells it to. */
  #stop() {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const child of this.#executors.keys()) {
      if (child.connected) child.disconnect();
      setTimeout(() => child.kill("SIGKILL"), STOP_MS).unref();
    }
    if (this.#executors.size === 0) this.#leave();
  }

  #leave() {
    this.session.say(["goodbye"]);
    this.session.close();
  }

  // What the session calls.

  hello(nonce, session) {
    const names = [...this.#executors.values()];
    this.#news = []; // what happens from now on is told after the greeting
    return ["worker", nonce, session, "the linebus example in JavaScript", this.services, names, false];
  }

  greeted(heartbeatS) {
    this.session.everyS = heartbeatS;
    this.#tell();
    console.error(`in session with ${this.session.address}`);
  }

  receive() {} // a guardian is sent nothing but heartbeats, which its session takes
}

class Executor {
  isOwed = false; // the guardian's heartbeats speak for it (rule 6)
  ended = ended;
  #stream = Buffer.alloc(0); // as the last greeting named it
  #received = 0; // numbers in the stream
  #answered = 0;
  #said = 0;
  #lines = []; // from `answered + 1` to `received`
  #kept = []; // texts, until the server has them (rule 2)
  #ahead = CREDIT_LINES.start; // credit beyond `answered`
  #meanS = 0;
  #flushedAt = 0;
  #isWorking = false;

  constructor(services, address, key) {
    Object.assign(this, { services, key });
    process.on("disconnect", () => this.#isWorking || this.#leave()); // also where the guardian has died
    this.session = new Session(address, this);
  }

  // What the session calls.

  hello(nonce, session) {
    const credit = this.#answered + this.#ahead;
    return ["executor", nonce, session, this.key, this.#stream, this.#received, this.#answered, credit];
  }

  greeted(stream, answered) {
    if (this.#stream.equals(stream)) {
      this.#forget(answered);
      this.#said = answered; // what is kept beyond that goes once more (rule 3)
    } else {
      this.#stream = Buffer.from(stream); // all that was held has been given to others (rule 4)
      this.#received = this.#answered = this.#said = 0;
      this.#lines = [];
      this.#kept = [];
    }
    this.#flush();
  }

  receive(type, fields) {
    if (type === "received") this.#forget(fields[0]);
    else if (type === "work") this.#take(...fields);
  }

  #take(first, name, lines, received, values = false) {
    this.#forget(received);
    if (first > this.#received + 1) return this.session.hello(); // lines are missing (rule 5)
    const fresh = lines.slice(this.#received + 1 - first);
    this.#lines.push(...fresh.map((text) => ({ name, text, values })));
    this.#received += fresh.length;
    if (!this.#isWorking) this.#work();
  }

  async #work() {
    this.#isWorking = true;
    while (this.#lines.length > 0 && process.connected) {
      const [{ name, text, values }] = this.#lines;
      const stream = this.#stream;
      const startedAt = now();
      this.#notePosition(this.#answered + 1);
      const done = await this.#call(name, text, values);
      this.#notePosition(0);
      if (stream !== this.#stream) continue; // a new stream has begun meanwhile: the line is somebody else's
      this.#lines.shift();
      this.#answered += 1;
      this.#kept.push({ number: this.#answered, ranS: now() - startedAt, ...done });
      this.#measure(now() - startedAt);
      if (this.#lines.length > 0 && now() - this.#flushedAt < FLUSH_S) continue;
      this.#flush();
      await new Promise(setImmediate); // let in what has come
    }
    this.#isWorking = false;
    if (!process.connected) this.#leave();
  }

  async #call(name, text, values) {
    try {
      const result = await this.services[name].run(text);
      const answer = (values ? JSON.stringify(result) : String(result)).toWellFormed(); // "Values"
      const bytes = Buffer.byteLength(answer);
      if (bytes > TEXT_BYTES_MAX) throw new Refused(`the reply is too long: ${bytes} bytes; at most ${TEXT_BYTES_MAX}`);
      return { text: answer, isFailed: false };
    } catch (error) {
      if (error instanceof Refused) return { text: error.message, isFailed: true };
      console.error(error);
      return { text: `${name} failed: ${error}`, isFailed: true };
    }
  }

  /** Leave word which line is being worked on, so that no other gets a strike ("lost"). */
  #notePosition(number) {
    writeSync(POSITION_FD, new BigUint64Array([BigInt(number)]), 0, 8, 0);
  }

  /** Credit follows the cost of a line: cheap ones travel in hundreds, dear ones in twos. */
  #measure(ranS) {
    this.#meanS += (ranS - this.#meanS) / 8;
    this.#ahead = Math.min(CREDIT_LINES.max, Math.max(CREDIT_LINES.min, Math.ceil(CREDIT_S / this.#meanS)));
  }

  /** Send the texts that have not been sent in this session. */
  #flush() {
    this.#flushedAt = now();
    while (this.session.isOpen && this.#said < this.#answered) {
      const unsaid = this.#kept.filter(({ number }) => number > this.#said);
      const texts = fitting(unsaid.map(({ text }) => text));
      const part = unsaid.slice(0, texts.length);
      const failed = [...part.keys()].filter((offset) => part[offset].isFailed);
      const meanS = part.reduce((sum, { ranS }) => sum + ranS, 0) / part.length;
      this.session.say(["answers", this.#said + 1, texts, failed, meanS, this.#answered + this.#ahead]);
      this.#said += part.length;
    }
  }

  #forget(through) {
    this.#kept = this.#kept.filter(({ number }) => number > through);
  }

  /** Say what is made; what has not begun goes to others. */
  #leave() {
    this.#flush();
    this.session.say(["goodbye"]);
    this.session.close();
  }
}
