// Where there is no bundle: when an event arrives, the page is fetched anew and its live part
// exchanged, at most once a second.
for (const part of document.querySelectorAll("[data-live]")) {
  let waiting = false;
  let first = true;
  const refresh = async () => {
    waiting = false;
    const reply = await fetch(location.href, { headers: { accept: "text/html" } });
    if (reply.redirected) location.href = reply.url;
    if (!reply.ok) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const fresh = page.getElementById(part.id);
    if (fresh) part.replaceChildren(...fresh.childNodes);
    else location.reload();
  };
  const heard = () => {
    if (first || waiting) return;
    waiting = true;
    setTimeout(refresh, 1000);
  };
  const source = new EventSource(part.dataset.live);
  for (const name of ["lot", "bay", "payment"]) source.addEventListener(name, heard);
  // What comes at once is what the page shows already.
  source.addEventListener("open", () => setTimeout(() => (first = false), 500));
}
