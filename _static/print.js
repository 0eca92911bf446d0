// On paper a page is light, whatever it is on the screen.
{
  const page = document.documentElement;
  let onScreen;
  addEventListener("beforeprint", () => {
    onScreen = page.dataset.theme;
    page.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    page.dataset.theme = onScreen;
  });
}
