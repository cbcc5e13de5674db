// Hands each island over to the bundle. A page without islands does not load it, and where it does
// not start (an old browser, WebAssembly switched off, a bundle of another build) the page stays
// live by fetching itself anew.
const { bundle: source, wasm, fallback } = document.currentScript.dataset;
const islands = [...document.querySelectorAll("leptos-island")];

const hydrate = async () => {
  const bundle = await import(source);
  await bundle.default({ module_or_path: wasm });
  const unknown = islands.find((island) => !bundle[island.dataset.component]);
  if (unknown) throw new Error(`the bundle has no ${unknown.dataset.component}`);
  bundle.hydrate();
  for (const island of islands) bundle[island.dataset.component](island);
  document.documentElement.classList.add("live");
};

const fallBack = () => document.querySelector("[data-live]") && import(fallback);

if (islands.length > 0) {
  hydrate().catch((error) => {
    console.warn("without the bundle:", error);
    return fallBack();
  });
} else {
  fallBack();
}
