// A client: exactly one reply for each line, across cut connections and restarted servers.
// docs/protocol.md: "Native: clients"; the rules in comments are those of "The books".
import { fitting, LINES_PER_MESSAGE_MAX, NoSession, Session, TEXT_BYTES_MAX } from "./session.mjs";

const ACKNOWLEDGE_AFTER = { whileOwed: 1_024, afterwards: 64 };
const NAME = /^[A-Za-z_][\w.-]{0,63}$/;

export { NoSession };

/** What a client keeps of its lines to one service. */
class Book {
  next = 1; // numbers count from 1, per service
  asked = 0; // the last number that was asked
  open = new Map(); // number → line, ascending: a line is kept until its reply has come (rule 1)
  unasked = []; // numbers, ascending
  came = []; // intervals of replies that are not acknowledged

  /** From the oldest unanswered to the last asked line (rule 6). */
  get span() {
    const [oldest] = this.open.keys();
    return oldest === undefined ? 0 : Math.max(0, this.asked - oldest + 1);
  }

  /** Take what is to be asked next: consecutive numbers that fit into a message and the window. */
  take(room) {
    const [first] = this.unasked;
    const isNext = (number, offset) => number === first + offset && number <= this.asked + room;
    const numbers = this.unasked.slice(0, LINES_PER_MESSAGE_MAX).filter(isNext);
    const lines = fitting(numbers.map((number) => this.open.get(number).text));
    this.unasked.splice(0, lines.length);
    if (lines.length > 0) this.asked = Math.max(this.asked, first + lines.length - 1);
    return { first, lines };
  }
}

export class Client {
  #books = new Map(); // by service
  #owed = 0;
  #window = 0;
  #unacknowledged = 0;
  #isAskingSoon = false;
  #error;

  /** `patienceS`: after so long without a session, lines that wait are given up with `NoSession`. */
  constructor(address, { patienceS = 5 } = {}) {
    this.session = new Session(address, this, patienceS);
  }

  /** Ask a line; the promise gives { outcome, text, worker, attempt, queuedS, ranS }. */
  ask(line) {
    const promise = this.#keep(line);
    promise.catch(() => {}); // whoever awaits it sees the error; where nobody does, that is no crash
    return promise;
  }

  /** End the session; the server forgets its books. */
  close() {
    this.session.say(["goodbye"]);
    this.session.close();
  }

  async #keep(line) {
    if (this.#error) throw this.#error;
    const { name, text, ended } = divide(line);
    if (ended) return ended;
    if (!this.#books.has(name)) this.#books.set(name, new Book());
    const book = this.#books.get(name);
    book.unasked.push(book.next);
    this.#owed += 1;
    this.#askSoon();
    return new Promise((resolve, reject) => book.open.set(book.next++, { text, resolve, reject }));
  }

  /** What is asked in one go, and what replies make room for, travels together. */
  #askSoon() {
    if (!this.#isAskingSoon) setImmediate(() => this.#ask());
    this.#isAskingSoon = true;
  }

  #ask() {
    this.#isAskingSoon = false;
    if (!this.session.isOpen) return;
    for (const [name, book] of this.#books) {
      for (;;) {
        const spans = [...this.#books.values()].map(({ span }) => span);
        const { first, lines } = book.take(spans.reduce((room, span) => room - span, this.#window));
        if (lines.length === 0) break;
        this.session.say(...this.#acknowledgements(), ["ask", name, first, lines]);
      }
    }
  }

  #acknowledgements() {
    this.#unacknowledged = 0;
    const books = [...this.#books].filter(([, book]) => book.came.length > 0);
    return books.map(([name, book]) => ["ack", name, book.came.splice(0)]);
  }

  // What the session calls.

  get isOwed() {
    return this.#owed > 0;
  }

  hello(nonce, session) {
    return ["client", nonce, session, "the linebus example in JavaScript"];
  }

  greeted(heartbeatS, windowLines, seen) {
    this.session.everyS = heartbeatS;
    this.#window = windowLines;
    this.#acknowledgements(); // dropped: kept replies come once more and are acknowledged then (rule 3)
    for (const [name, book] of this.#books) {
      const isSeen = (number) => (seen[name] ?? []).some(([first, last]) => first <= number && number <= last);
      book.unasked = [...book.open.keys()].filter((number) => !isSeen(number)); // rule 2
    }
    this.#ask();
  }

  receive(type, [name, first, ...fields]) {
    if (type === "replies") {
      const [texts, failed, ...details] = fields;
      const failures = new Set(failed);
      const outcomes = texts.map((_, offset) => (failures.has(offset) ? "failed" : "answered"));
      this.#arrived(name, first, texts.map((text, offset) => reply(outcomes[offset], text, ...details)));
    } else if (type === "ended") {
      const [count, outcome, text] = fields;
      this.#arrived(name, first, Array(count).fill(reply(outcome, text)));
    }
  }

  #arrived(name, first, replies) {
    const { open, came } = this.#books.get(name);
    replies.forEach((each, offset) => {
      if (!open.has(first + offset)) return; // that reply has come before (rule 3)
      open.get(first + offset).resolve(each);
      open.delete(first + offset);
      this.#owed -= 1;
    });
    came.push([first, first + replies.length - 1]); // as it came, not joined to its neighbours (rule 4)
    this.#unacknowledged += replies.length;
    const enough = this.isOwed ? ACKNOWLEDGE_AFTER.whileOwed : ACKNOWLEDGE_AFTER.afterwards;
    if (this.#unacknowledged >= enough) this.session.say(...this.#acknowledgements()); // rule 5
    this.#askSoon();
  }

  ended(error) {
    this.#error = error;
    for (const { open } of this.#books.values()) for (const { reject } of open.values()) reject(error);
  }
}

function reply(outcome, text, worker = 0, attempt = 0, queuedS = 0, ranS = 0) {
  return { outcome, text, worker, attempt, queuedS, ranS };
}

/** Divide a line into the service's name and its arguments ("A request and its life"); end what may not be sent. */
function divide(line) {
  const [, name, text] = /^([^ \t]*)[ \t]*(.*)$/s.exec(line.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, ""));
  const bytes = Buffer.byteLength(text);
  const tooLong = `the line is too long: ${bytes} bytes; at most ${TEXT_BYTES_MAX}`;
  if (!line.isWellFormed()) return { ended: reply("failed", "the line is no Unicode text") };
  if (!NAME.test(name)) return { ended: reply("no_service", `'${name.slice(0, 40)}' is no service's name`) };
  if (bytes > TEXT_BYTES_MAX) return { ended: reply("failed", tooLong) };
  return { name, text };
}
