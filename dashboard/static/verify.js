// The page that verifies: this fetches what the verifier asks for and shows what it says. What is checked, and
// how, is in the verifier's WebAssembly: the same code as `clearbay verify`.
const page = document.getElementById("verify");
const { lang } = document.documentElement;
const say = page.dataset;
const { module: source, wasm } = say;
const AT_ONCE = 8;
// An entry with its hashes, as it is fetched.
const BYTES_AN_ENTRY = 300;
const MANY_ENTRIES = 300_000;

const one = (root, selector) => root.querySelector(selector);
const number = (value) => value.toLocaleString(lang);
// The sign stays on the number's line.
const money = (value) => `${number(value)}\u00a0₫`;
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const show = (element, shown = true) => (element.hidden = !shown);
const local = (day) => day.split("-").reverse().join("/");
// With the day before the month, as in the whole page.
const dates = lang === "en" ? "en-GB" : lang;

const stored = (work) => {
  try {
    return work(localStorage);
  } catch {
    return null;
  }
};
const memoryOf = (key) => `clearbay-log:${key.trim().split("+")[0]}`;
const KEY = "clearbay-log-key";

let code;
const verifier = () =>
  (code ??= import(source)
    .then(async (loaded) => {
      await loaded.default({ module_or_path: wasm });
      return loaded;
    })
    .catch(() => {
      code = undefined;
      throw new Error(say.noConnection);
    }));

const form = document.getElementById("check");
const keyField = form.elements.key;

// The key of the last check is used, whatever the server says today.
const pinned = stored((storage) => storage.getItem(KEY));
if (pinned) {
  const served = one(page, "[data-served]").dataset.served.split("\n");
  const known = pinned.split("\n").some((key) => served.includes(key));
  keyField.value = pinned;
  if (!known) {
    const changed = one(form, "[data-changed]");
    one(changed, "code").textContent = served.join(" ");
    show(changed);
  }
}

const fetched = async (path) => {
  // What a browser says itself is in a language of its own.
  const unreachable = () => {
    throw new Error(say.noConnection);
  };
  const reply = await fetch(path, { cache: path.includes("/tile/") ? "default" : "no-cache" }).catch(unreachable);
  if (reply.status === 404) return undefined;
  if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
  return new Uint8Array(await reply.arrayBuffer().catch(unreachable));
};

const checkOnce = async (key, patience, progress) => {
  const asked = Date.now();
  const { Check } = await verifier();
  const check = new Check(key, stored((storage) => storage.getItem(memoryOf(key))) ?? undefined, lang);
  for (let wanted = check.wants(); wanted.length > 0; wanted = check.wants()) {
    const paths = wanted[Symbol.iterator]();
    const worker = async () => {
      for (const path of paths) check.give(path, await fetched(path));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    progress(check.entries(), check.of());
  }
  const verdict = JSON.parse(check.verdict(patience, asked));
  if (verdict.no_log) throw new Error(verdict.no_log);
  return verdict;
};

const checkAll = async (key, progress, again) => {
  const { Patience } = await verifier();
  const patience = new Patience();
  for (;;) {
    const verdict = await checkOnce(key, patience, progress);
    if (verdict.next !== "ask_again") return verdict;
    again();
    await new Promise((resolve) => setTimeout(resolve, Patience.pause_ms()));
  }
};

const showDays = (which, days, total) => {
  const frame = one(page, `[data-days="${which}"]`);
  const body = one(frame, "tbody");
  body.replaceChildren(
    ...days.slice(-14).reverse().map((day) => {
      const row = document.createElement("tr");
      const head = Object.assign(document.createElement("th"), { scope: "row", textContent: local(day.day.slice(2)) });
      const cells = [number(day.receipts), number(day.refunds), money(day.revenue_vnd)].map((text) =>
        Object.assign(document.createElement("td"), { className: "amount", textContent: text }),
      );
      row.append(head, ...cells);
      return row;
    }),
  );
  if (total) {
    const sums = [number(total.receipts), number(total.refunds), money(total.revenue_vnd)];
    frame.querySelectorAll("tfoot td").forEach((cell, place) => (cell.textContent = sums[place]));
    show(one(frame, "tfoot"));
  }
  show(frame, days.length > 0);
};

const items = (texts) => texts.map((text) => Object.assign(document.createElement("li"), { textContent: text }));

const showOtherKey = (frame, says) => {
  const other = one(frame, "[data-other-key]");
  one(other, "[data-says]").textContent = says || "";
  show(other, Boolean(says));
};

const showVerdict = (verdict) => {
  const frame = one(page, "[data-verdict]");
  show(one(frame, "[data-holds]"), verdict.holds && !verdict.empty);
  show(one(frame, "[data-empty]"), verdict.empty);
  const notYet = verdict.next === "not_yet";
  show(one(frame, "[data-not-yet]"), notYet);
  show(one(frame, "[data-wrong]"), !verdict.holds && !verdict.other_key && !notYet);
  show(one(frame, "[data-shown]"), verdict.holds);
  showOtherKey(frame, verdict.other_key && verdict.findings[0]);
  for (const list of frame.querySelectorAll("[data-findings]")) list.replaceChildren(...items(verdict.findings));
  one(frame, "[data-notes]").replaceChildren(...items(verdict.notes));
  const step = (name, shown, values = {}) => {
    const item = one(frame, `[data-step="${name}"]`);
    item.textContent = fill(item.dataset.text, values);
    show(item, shown);
  };
  const { size, known, reports, totals } = verdict;
  step("signed", true, { root: verdict.root });
  step("known", known !== null, { n: number(known ?? 0) });
  step("first", known === null);
  const { witnesses, witnessed } = verdict;
  step("witnessed", witnesses > 0, { n: number(witnesses), size: number(witnessed) });
  step("entries", true, { n: number(size ?? 0) });
  step("reports", reports > 0, { n: number(reports) });
  step("no-report", reports === 0);
  step("totals", totals > 0, { n: number(totals) });
  showDays("published", verdict.days, verdict.total);
  showDays("unpublished", verdict.unpublished);
  show(frame);
  frame.focus();
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = one(form, "button");
  const failed = one(form, "[data-failed]");
  const progress = one(form, "[data-progress]");
  const bar = one(progress, "progress");
  const key = keyField.value.trim();
  button.disabled = true;
  show(failed, false);
  show(one(page, "[data-verdict]"), false);
  bar.removeAttribute("value");
  one(progress, "span").textContent = say.begins;
  show(progress);
  try {
    const again = () => (one(progress, "span").textContent = say.again);
    const told = (entries, of) => {
      if (!of) return;
      bar.max = of;
      bar.value = entries;
      const text = fill(say.checking, { n: number(entries), of: number(of) });
      const large = of < MANY_ENTRIES ? "" : ` ${fill(say.tooLarge, { n: number(of), mb: Math.round((of * BYTES_AN_ENTRY) / 1e6) })}`;
      one(progress, "span").textContent = text + large;
    };
    const verdict = await checkAll(key, told, again);
    stored((storage) => {
      // Only a key that holds is worth remembering.
      if (verdict.holds) storage.setItem(KEY, key);
      if (verdict.memory) storage.setItem(memoryOf(key), verdict.memory);
    });
    showVerdict(verdict);
  } catch (error) {
    failed.textContent = `${say.cannot} ${error.message ?? error}`;
    show(failed);
  } finally {
    button.disabled = false;
    show(progress, false);
  }
});

const receiptForm = document.getElementById("check-receipt");

// What is typed is a code's address, a receipt's number or its address.
const receiptText = async (typed, file) => {
  if (file) return file.text();
  if (typed.includes("#r=") || typed.startsWith("{")) return typed;
  const id = typed.match(/[0-9a-f]{8}-[0-9a-f-]{27}/i)?.[0];
  if (!id) throw new Error(typed ? say.notFound : say.nothing);
  const body = await fetched(`/api/v1/receipts/${id}`);
  if (!body) throw new Error(say.notFound);
  return new TextDecoder().decode(body);
};

const showReceipt = (told) => {
  const frame = one(page, "[data-receipt]");
  const [right, wrong] = [one(frame, "[data-holds]"), one(frame, "[data-wrong]")];
  show(right, told.holds);
  show(wrong, !told.holds && !told.other_key);
  showOtherKey(frame, told.other_key && told.wrong);
  one(wrong, "p").textContent = told.wrong ?? "";
  const says = one(right, "[data-text]");
  says.textContent = fill(says.dataset.text, {
    ...told,
    index: number(told.index),
    size: number(told.size),
    day: local(told.day),
    amount: money(told.amount_vnd),
  });
  show(one(right, "[data-refund]"), told.refund);
  show(one(right, "[data-of-receipt]"), told.bay !== null);
  // The city's time, wherever its reader is.
  const clock = { day: "2-digit", month: "2-digit", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const zone = { timeZone: say.timezone, timeZoneName: "short" };
  const at = told.at && new Date(told.at).toLocaleString(dates, { ...clock, ...zone });
  for (const fact of right.querySelectorAll("[data-fact]")) {
    const { fact: name } = fact.dataset;
    fact.textContent = (name === "at" ? at : told[name]) ?? "";
  }
  const english = lang === "en" && told.lines.some((line) => line.text_en);
  const lines = told.lines.map(({ text, text_en, amount_vnd }) => {
    const row = document.createElement("tr");
    const element = (name, values) => Object.assign(document.createElement(name), values);
    const reason = element("td", { textContent: text, lang: "vi" });
    if (english && text_en) reason.append(element("br"), element("small", { textContent: text_en, lang: "en" }));
    row.append(reason, element("td", { textContent: money(amount_vnd), className: "amount" }));
    return row;
  });
  one(right, "tbody").replaceChildren(...lines);
  show(one(right, '[data-lines="english"]'), english);
  show(one(right, '[data-lines="vietnamese"]'), lang === "en" && lines.length > 0 && !english);
  show(frame);
  frame.focus();
};

// Whether a receipt waits for the key to be pasted.
let waits = false;
keyField.addEventListener("change", () => waits && receiptForm.requestSubmit());

receiptForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  const failed = one(receiptForm, "[data-failed]");
  show(failed, false);
  show(one(page, "[data-receipt]"), false);
  const { receipt, file } = receiptForm.elements;
  try {
    const key = keyField.value.trim();
    waits = !key;
    if (waits) throw new Error(say.keyNeeded);
    const { check_receipt } = await verifier();
    const text = await receiptText(receipt.value.trim(), file.files[0]);
    const told = JSON.parse(check_receipt(key, text, lang));
    if (told.holds) stored((storage) => storage.setItem(KEY, key));
    showReceipt(told);
  } catch (error) {
    failed.textContent = `${say.cannot} ${error.message ?? error}`;
    show(failed);
  }
});

// A receipt's own code or number in the address: it is checked at once. What stands after # is sent to nobody.
const named = () => {
  const asked = new URLSearchParams(location.search).get("receipt");
  const held = location.hash.startsWith("#r=") ? location.href : asked;
  if (!held) return;
  receiptForm.elements.receipt.value = held;
  receiptForm.requestSubmit();
};

show(one(document, "[data-without]"), false);
show(page);
addEventListener("hashchange", named);
named();
