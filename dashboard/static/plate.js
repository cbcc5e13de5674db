// A picture of a plate is made smaller on the phone, so that it is there in a moment over a street's signal,
// and sent as soon as it is taken. Without this it is sent as it is, by its button.
const SIDE_MAX = 1600;

const smaller = async (file) => {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, SIDE_MAX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
  return blob && new File([blob], "plate.jpg", { type: "image/jpeg" });
};

for (const input of document.querySelectorAll("input[type=file][data-plate-picture]")) {
  input.addEventListener("change", async () => {
    if (!input.files.length) return;
    try {
      const file = await smaller(input.files[0]);
      if (file) {
        const files = new DataTransfer();
        files.items.add(file);
        input.files = files.files;
      }
    } catch {
      // As it is, then.
    }
    input.form.requestSubmit();
  });
}
