// Keeps a page true where no island does it: when an event arrives, the page is fetched anew and
// what differs is put in place, at most once a second. What the reader typed, opened, scrolled or
// focused stays.
const exchange = (old, fresh) => {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    // The key of a form stands for one intent, also while its answer is awaited: another would do it twice.
    if (name === "value" && old.name === "key") continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const [was, is] = [[...old.childNodes], [...fresh.childNodes]];
  was.slice(is.length).forEach((node) => node.remove());
  is.forEach((node, at) => (at < was.length ? exchange(was[at], node) : old.append(node)));
};

const keep = (part) => {
  const offline = document.getElementById("offline");
  let waiting = false;
  let source;
  const refresh = async () => {
    if (document.hidden) {
      document.addEventListener("visibilitychange", refresh, { once: true });
      return;
    }
    waiting = false;
    const reply = await fetch(location.href, { headers: { accept: "text/html" } });
    if (reply.redirected) location.href = reply.url;
    // Signed out, or gone: the page that says so is better than figures that stand still.
    else if ([401, 403, 404].includes(reply.status)) location.reload();
    if (!reply.ok) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    document.title = page.title;
    exchange(part, page.getElementById(part.id));
    if (!part.dataset.live) source.close();
  };
  const heard = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => refresh().catch(() => (offline.hidden = false)), 1000);
  };
  const connect = () => {
    source = new EventSource(part.dataset.live);
    for (const name of ["lot", "bay", "payment"]) source.addEventListener(name, heard);
    source.addEventListener("signed-out", () => location.reload());
    source.addEventListener("open", () => (offline.hidden = true));
    source.addEventListener("error", () => {
      if (!part.dataset.live) return;
      offline.hidden = false;
      // A refused stream is not tried again by the browser itself.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 4000 + Math.random() * 4000);
    });
  };
  connect();
  // A countdown is news by itself.
  const tick = part.querySelector("[data-tick]");
  if (tick) setInterval(heard, 1000 * tick.dataset.tick);
};

document.querySelectorAll("[data-live]").forEach(keep);
