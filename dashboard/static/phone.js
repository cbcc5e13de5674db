// What a phone adds to pages that work without it: the plate is remembered on this phone and nowhere
// else, a length of time is chosen by sliding, codes are copied and pictures kept by a touch, and time
// is counted down to the second.
// Storage may be switched off; then nothing is remembered.
const stored = (work) => {
  try {
    return work(localStorage);
  } catch {
    return null;
  }
};

// What is typed each time: the plate, the phone number.
const remembers = (root) => {
  for (const input of root.querySelectorAll("input[data-remember]")) {
    if (input.remembered) continue;
    input.remembered = true;
    const { remember } = input.dataset;
    if (!input.value) input.value = stored((storage) => storage.getItem(remember)) ?? "";
    input.form?.addEventListener("submit", () => {
      stored((storage) => storage.setItem(remember, input.value.trim()));
    });
  }
};

// A slider over the choices of a list: it has more of them, and shows one at a time.
const slides = (root) => {
  for (const list of root.querySelectorAll("[data-slides]")) {
    const slider = list.querySelector("input[type=range]");
    const choices = [...list.querySelectorAll("input[type=radio]")];
    if (list.slides || choices.length < 2) continue;
    list.slides = true;
    list.classList.add("slides");
    const say = () => {
      const head = choices[slider.value].closest("label").querySelector(".choice-head");
      slider.setAttribute("aria-valuetext", [...head.children].map((part) => part.textContent).join(", "));
    };
    slider.value = choices.findIndex((choice) => choice.checked);
    say();
    slider.addEventListener("input", () => {
      choices[slider.value].checked = true;
      say();
    });
  }
};

const told = (button) => {
  const before = (button.dataset.before ??= button.textContent);
  button.textContent = button.dataset.done;
  setTimeout(() => (button.textContent = before), 2000);
};

const copies = (root) => {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.onclick = () => navigator.clipboard.writeText(button.dataset.copy).then(() => told(button));
  }
};

// A picture that banking apps can read from the gallery: they do not take SVG.
const picture = async (svg) => {
  const side = 1024;
  const image = new Image(side, side);
  image.src = `data:image/svg+xml,${encodeURIComponent(svg.outerHTML)}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, side, side);
  pen.drawImage(image, 64, 64, side - 128, side - 128);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
};

const pictures = (root) => {
  for (const button of root.querySelectorAll("button[data-picture]")) {
    const svg = root.querySelector(".qr svg");
    if (!svg) continue;
    button.hidden = false;
    button.onclick = async () => {
      const file = new File([await picture(svg)], `${button.dataset.picture}.png`, { type: "image/png" });
      const shared = { files: [file] };
      if (navigator.canShare?.(shared)) {
        await navigator.share(shared).catch(() => {});
        return;
      }
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: file.name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      told(button);
    };
  }
};

const shares = (root) => {
  if (!navigator.share) return;
  for (const button of root.querySelectorAll("button[data-share]")) {
    button.hidden = false;
    button.onclick = () => navigator.share({ title: document.title, url: location.href }).catch(() => {});
  }
};

const prints = (root) => {
  for (const button of root.querySelectorAll("button[data-print]")) {
    button.hidden = false;
    button.onclick = () => {
      // What is folded on the screen is wanted on paper.
      for (const folded of root.querySelectorAll("details.log")) folded.open = true;
      print();
    };
  }
};

const two = (number) => String(number).padStart(2, "0");

// The clock of the page, not the phone's: that may be wrong.
const count = () => {
  for (const element of document.querySelectorAll("[data-until]")) {
    const { until, now } = element.dataset;
    const began = (element.began ??= { at: performance.now(), for: now });
    if (began.for !== now) Object.assign(began, { at: performance.now(), for: now });
    const passed = performance.now() - began.at;
    const left = Math.max(0, Math.round((Date.parse(until) - Date.parse(now) - passed) / 1000));
    const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    element.textContent = `${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${two(seconds)}`;
  }
};

const add = () => {
  const root = document.getElementById("content");
  remembers(root);
  slides(root);
  copies(root);
  pictures(root);
  shares(root);
  prints(root);
};

// A page that takes its time says that it comes; one that was left and comes back by the back button does not.
const busy = (is) => {
  document.documentElement.classList.toggle("busy", is);
  document.getElementById("content")?.setAttribute("aria-busy", is);
};
let leaving;
// What comes as a file leaves the page where it is.
const leaves = () => {
  busy(true);
  setTimeout(busy, 30_000, false);
};
addEventListener("beforeunload", () => (leaving = setTimeout(leaves, 400)));
addEventListener("pageshow", () => (clearTimeout(leaving), busy(false)));

add();
// A row of tabs may be longer than a phone is wide: the one at hand is not out of sight.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
// live.js puts a page's news in place of what was there. The countdown is no news.
const isNews = ({ target }) => !target.dataset?.until;
const watch = { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden"] };
new MutationObserver((changes) => changes.some(isNews) && add()).observe(document.getElementById("content"), watch);
if (document.querySelector("[data-until]")) setInterval(count, 1000);
