// Starts that were made without a signal: noted on this phone with their time, and sent when there is a
// signal again. The server believes the time, for its key was made with it and the sensor saw the
// vehicle come.
const STARTS = "starts";
const RETRY_MS = 15000;
// An older start is not believed any more.
const WINDOW_MS = 12 * 3600 * 1000;
const panel = document.getElementById("waiting");
const copy = document.documentElement.dataset.copy;

const read = () => {
  try {
    return JSON.parse(localStorage.getItem(STARTS)) ?? [];
  } catch {
    return [];
  }
};
const write = (starts) => localStorage.setItem(STARTS, JSON.stringify(starts));

// A UUID of version 7: its first 48 bits are the time in milliseconds (RFC 9562).
const timedKey = (at) => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let byte = 0; byte < 6; byte += 1) bytes[byte] = Math.floor(at / 2 ** (8 * (5 - byte))) % 256;
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};

const note = (wish) => {
  const at = Date.now();
  const same = (known) => known.bay === wish.bay && known.plate === wish.plate;
  const waits = (known) => !known.why && at - Date.parse(known.at) < WINDOW_MS;
  const noted = read().find((known) => same(known) && waits(known));
  if (noted) {
    // What was sent meanwhile may have come as well.
    const sent = [...new Set([...(noted.sent ?? "").split(" "), wish.sent ?? ""])].filter(Boolean).slice(-5).join(" ");
    write(read().map((known) => (known.key === noted.key ? { ...known, sent } : known)));
    return;
  }
  write([...read().filter((known) => !same(known)), { ...wish, at: new Date(at).toISOString(), key: timedKey(at) }]);
};

const clock = (at) => new Date(at).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "Asia/Ho_Chi_Minh" });

const show = () => {
  const starts = read();
  panel.hidden = starts.length === 0;
  panel.querySelector("ul").replaceChildren(
    ...starts.map((start) => {
      const row = panel.querySelector("template").content.cloneNode(true);
      row.querySelector("b").textContent = start.bay;
      row.querySelector("span").textContent = `${start.plate} · ${clock(start.at)}`;
      row.querySelector("em").textContent = start.why ?? "";
      row.querySelector("button").onclick = () => {
        write(read().filter((known) => known.key !== start.key));
        show();
      };
      return row;
    }),
  );
};

// One after another: each leads to its payment.
let sending = false;
const send = async () => {
  const start = read().find((known) => !known.why);
  if (!start || sending) return;
  sending = true;
  try {
    const { bay, plate, minutes, gateway, longest, at, key, sent } = start;
    const body = new URLSearchParams({ plate, minutes, gateway, at, key, confirm: "true", ...(longest && { longest }), ...(sent && { sent }) });
    const reply = await fetch(`/b/${encodeURIComponent(bay)}`, { method: "POST", body });
    // What may pass: a body that came too slowly, too many at once, a server that is ill.
    if (reply.status >= 500 || [408, 429].includes(reply.status)) return;
    // Elsewhere one is asked to sign in first: nothing has begun.
    if (reply.redirected && reply.ok && /^\/(s|pay)\//.test(new URL(reply.url).pathname)) {
      write(read().filter((known) => known.key !== key));
      location.href = reply.url;
      return;
    }
    const told = new DOMParser().parseFromString(await reply.text(), "text/html");
    const why = told.querySelector("[role=alert]:not([hidden])")?.textContent ?? told.querySelector("main h1")?.textContent ?? reply.status;
    write(read().map((known) => (known.key === key ? { ...known, why } : known)));
    show();
  } catch {
    // Still no signal.
  } finally {
    sending = false;
  }
};

// The page for a bay of which there is no copy.
const form = document.querySelector("form[data-offline]");
if (form) {
  const wish = new URLSearchParams(location.hash.slice(1));
  const bay = wish.get("bay") ?? /^\/b\/([^/]+)$/.exec(location.pathname)?.[1] ?? "";
  form.elements.bay.value = decodeURIComponent(bay).toUpperCase();
  if (wish.has("plate")) {
    note(Object.fromEntries(wish));
    history.replaceState(null, "", "/offline");
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    note({ gateway: "", ...Object.fromEntries(new FormData(form)) });
    show();
    send();
  });
}

if (copy) {
  const banner = document.getElementById("copy");
  banner.hidden = Boolean(form);
  banner.querySelector("time").textContent = clock(copy);
  // The key of a form stands for one intent: this one is another than when the copy was made.
  for (const key of document.querySelectorAll("input[name=key]")) key.value = crypto.randomUUID();
}

show();
send();
addEventListener("online", send);
setInterval(send, RETRY_MS);
navigator.serviceWorker?.register("/sw.js").catch(() => {});
