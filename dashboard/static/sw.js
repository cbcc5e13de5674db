// Without a signal the driver's pages still open: the last copy of each, and one that takes a start
// and keeps it until it can be sent. What is on the network always comes first.
const CACHE = "clearbay";
const OFFLINE = "/offline";
// Streets and car parks have weak signals rather than none: this long a page may take.
const PATIENCE_MS = 6000;
const KEPT = 60;

// The pages that a driver may want to see again. Staff's and the payment's are true only now; who asks for
// an exemption, and with which document, is kept nowhere but at the city.
const isKept = (path) => path === "/" || /^\/(b|s|r|lots)\/[^/]+$/.test(path);
const isAsset = (path) => path.startsWith("/static/") || path.startsWith("/pkg/");

const assetsOf = (html) => [...html.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)].map((found) => found[1].replaceAll("&amp;", "&"));

const renewOffline = async () => {
  const cache = await caches.open(CACHE);
  const reply = await fetch(OFFLINE);
  if (!reply.ok) return;
  const html = await reply.clone().text();
  await cache.put(OFFLINE, reply);
  await Promise.all(assetsOf(html).map(async (url) => (await cache.match(url)) ?? cache.add(url)));
};

const keep = async (request, reply) => {
  const cache = await caches.open(CACHE);
  await cache.put(request, reply);
  const known = await cache.keys();
  await Promise.all(known.slice(0, Math.max(0, known.length - KEPT)).map((old) => cache.delete(old)));
};

// What a wallet holds stands on pages that are kept: not for whoever has the phone next.
const forget = async () => {
  const cache = await caches.open(CACHE);
  const kept = await cache.keys();
  await Promise.all(kept.filter(({ url }) => new URL(url).pathname.startsWith("/b/")).map((page) => cache.delete(page)));
};

// A copy says so, and of when it is: what is free on it may be long taken.
const marked = async (copy) => {
  const at = new Date(copy.headers.get("date") ?? 0).toISOString();
  const html = (await copy.text()).replace("<html ", `<html data-copy="${at}" `);
  return new Response(html, { headers: { "content-type": "text/html; charset=utf-8" } });
};

const page = async (event) => {
  const { request } = event;
  const path = new URL(request.url).pathname;
  // A phone whose storage is full still has its network.
  const cache = await caches.open(CACHE).catch(() => null);
  const copy = cache && isKept(path) && (await cache.match(request));
  // Without a copy to fall back on there is nothing better than to wait; a page that has begun to come
  // is let come.
  const patience = new AbortController();
  const timer = copy && setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const reply = await fetch(request, { signal: patience.signal });
    clearTimeout(timer);
    if (cache && isKept(path) && !reply.redirected) {
      if (reply.ok) event.waitUntil(keep(request, reply.clone()).catch(() => {}));
      else if ([401, 403, 404].includes(reply.status)) event.waitUntil(cache.delete(request));
    }
    if (path === "/" || path.startsWith("/b/")) event.waitUntil(renewOffline().catch(() => {}));
    return reply;
  } catch (error) {
    if (copy) return marked(copy);
    const offline = await cache?.match(OFFLINE);
    if (!offline) throw error;
    return marked(offline);
  }
};

// A start that could not be sent, or whose answer was lost: the page for that notes it, with the key under which it
// may have come. What it says stays behind the #, which no
// server ever sees.
const start = async (request) => {
  const form = await request.clone().formData();
  try {
    return await fetch(request);
  } catch {
    const bay = decodeURIComponent(new URL(request.url).pathname.split("/")[2]);
    const wish = new URLSearchParams({ bay, plate: form.get("plate"), minutes: form.get("minutes"), gateway: form.get("gateway") ?? "", sent: form.get("key") ?? "", longest: form.get("longest") ?? "" });
    return Response.redirect(`${OFFLINE}#${wish}`, 303);
  }
};

const asset = async (event) => {
  const { request } = event;
  const known = await caches.match(request).catch(() => null);
  if (known) return known;
  const reply = await fetch(request);
  if (reply.ok) event.waitUntil(keep(request, reply.clone()).catch(() => {}));
  return reply;
};

addEventListener("install", (event) => event.waitUntil(renewOffline().then(() => skipWaiting())));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.mode === "navigate" && request.method === "GET" && !url.pathname.startsWith("/staff")) event.respondWith(page(event));
  else if (request.mode === "navigate" && request.method === "POST" && url.pathname.startsWith("/b/")) event.respondWith(start(request));
  else if (request.mode === "navigate" && url.pathname === "/wallet/sign-out") event.waitUntil(forget().catch(() => {}));
  else if (request.method === "GET" && isAsset(url.pathname)) event.respondWith(asset(event));
});

// What the server tells a driver whose page is closed. Browsers want each message to be shown.
addEventListener("push", (event) => {
  let told = {};
  try {
    told = event.data?.json() ?? {};
  } catch {
    // A message that cannot be read is shown without its text.
  }
  const { title = "Clearbay", body, lang, url = "/my" } = told;
  // A newer message about the same parking takes the place of an older one.
  const shown = { body, lang, tag: url, renotify: true, icon: "/static/icon.svg", data: url };
  event.waitUntil(registration.showNotification(title, shown));
});

// To the page of that parking: where it is open, to that.
const open = async (address) => {
  const { pathname } = new URL(address, location.origin);
  const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find(({ url }) => new URL(url).pathname === pathname);
  return page ? page.focus() : clients.openWindow(pathname);
};
addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data));
});
