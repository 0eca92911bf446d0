// A profile's table names its layers in words, and has their names in code as titles. A button in the
// caption puts those in their place, and back: a finger and a keyboard see no titles.
{
  const WORDS = "Names in words";
  const CODE = "Names in code";
  const swap = (table) => {
    for (const head of table.querySelectorAll("th[title]"))
      [head.textContent, head.title] = [head.title, head.textContent];
  };
  addEventListener("DOMContentLoaded", () => {
    for (const table of document.querySelectorAll("article table.profile")) {
      if (!table.querySelector("th[title]")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "profile-names";
      button.textContent = CODE;
      button.addEventListener("click", () => {
        swap(table);
        button.textContent = button.textContent === CODE ? WORDS : CODE;
      });
      table.caption.append(" ", button);
    }
  });
}
