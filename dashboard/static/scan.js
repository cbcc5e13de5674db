// A camera's picture is larger than it needs to be, and says where it was taken: a smaller one goes.
// Without this script it goes as it is.
const SIDE = 2400;

const smaller = async (file) => {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = Object.assign(document.createElement("canvas"), {
    width: Math.round(bitmap.width * scale),
    height: Math.round(bitmap.height * scale),
  });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
  return blob && new File([blob], "document.jpg", { type: "image/jpeg" });
};

for (const input of document.querySelectorAll(".scan-input input[type=file]")) {
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file?.type.startsWith("image/")) return;
    // Who sends before it is done waits for it.
    const button = input.form.querySelector("button.primary");
    button.disabled = true;
    try {
      const made = await smaller(file);
      // Another may have been chosen meanwhile.
      if (made && input.files[0] === file) {
        const chosen = new DataTransfer();
        chosen.items.add(made);
        input.files = chosen.files;
      }
    } catch {
      // A picture that this browser cannot read: the server says what is wrong with it.
    } finally {
      button.disabled = false;
    }
  });
}
