// Tells this phone before the paid time ends, although the page is closed (Push API, through sw.js).
// Nobody is asked for anything before they touch the button.
const content = document.getElementById("content");
// A browser that does not reach its maker's push service goes on trying without a word.
const PATIENCE_MS = 20000;
// What there is to show: "off", "busy", "on", "denied", "failed"; nothing until it is known, or for ever where
// the browser cannot do it.
let state;

const block = () => content.querySelector("[data-push]");

const hide = (element, hidden) => {
  if (element.hidden !== hidden) element.hidden = hidden;
};

const show = () => {
  const part = block();
  if (!part || !state) return;
  hide(part, false);
  for (const choice of part.querySelectorAll("[data-when]")) {
    hide(choice, !choice.dataset.when.split(" ").includes(state));
    if (choice.localName === "button") choice.onclick = state === "on" ? () => turn(off) : () => turn(on);
  }
};

const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));

// The server's name for this browser.
const named = async ({ endpoint }) => {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint));
  return `${block().dataset.push}/${base64url(hash)}`;
};

const pushes = async () => (await navigator.serviceWorker.ready).pushManager;

const on = async () => {
  const permission = await Notification.requestPermission();
  // Who closed the question can be asked again.
  if (permission !== "granted") return permission === "denied" ? "denied" : "off";
  const { push, key } = block().dataset;
  const manager = await pushes();
  let subscription = await manager.getSubscription();
  // One that was made with a former key of the server's takes no messages of this one.
  if (subscription && base64url(subscription.options.applicationServerKey) !== key) {
    await subscription.unsubscribe();
    subscription = null;
  }
  const late = new Promise((_, give) => setTimeout(give, PATIENCE_MS, new Error("the push service does not answer")));
  subscription ??= await Promise.race([manager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) }), late]);
  const body = JSON.stringify({ ...subscription.toJSON(), lang: document.documentElement.lang });
  const reply = await fetch(push, { method: "POST", headers: { "content-type": "application/json" }, body });
  return reply.ok ? "on" : "failed";
};

// The browser's own subscription stays: other sessions may use it.
const off = async () => {
  const subscription = await (await pushes()).getSubscription();
  const reply = subscription && (await fetch(await named(subscription), { method: "DELETE" }));
  return !reply || reply.ok ? "off" : "on";
};

const turn = async (way) => {
  if (state === "busy") return;
  state = "busy";
  show();
  try {
    state = await way();
  } catch (error) {
    console.warn("push:", error);
    state = way === off ? "on" : "failed";
  }
  show();
  block()?.querySelector("button:not([hidden])")?.focus();
};

const start = async () => {
  if (!("PushManager" in window && "Notification" in window && navigator.serviceWorker) || !block()) return;
  const subscription = await (await pushes()).getSubscription();
  const known = subscription && Notification.permission === "granted" && (await fetch(await named(subscription)));
  state ??= known?.ok ? "on" : "off";
  show();
};

// live.js puts a page's news in place of what was there, and with it what is hidden at first.
let started = false;
const look = () => {
  if (!started && block()) {
    started = true;
    start().catch((error) => console.warn("push:", error));
  }
  show();
};
look();
new MutationObserver(look).observe(content, { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden"] });
