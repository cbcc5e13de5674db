// Loads the bundle and hands each island over to it.
const { src, wasm } = document.currentScript.dataset;
const hydrate = async () => {
  const bundle = await import(src);
  await bundle.default({ module_or_path: wasm });
  bundle.hydrate();
  for (const island of document.querySelectorAll("leptos-island")) {
    bundle[island.dataset.component]?.(island);
  }
  document.documentElement.classList.add("live");
};
hydrate().catch(console.error);
