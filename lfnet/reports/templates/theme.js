// Light or dark: the system's choice, until the button is used.
{
  const root = document.documentElement;
  const remember = theme => { try { localStorage.setItem("lfnet-theme", theme); } catch { /* not on this page */ } };
  const remembered = () => { try { return localStorage.getItem("lfnet-theme"); } catch { return null; } };
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  if (remembered()) root.dataset.theme = remembered();
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => {
      button.setAttribute("aria-pressed", isDark());
      button.textContent = isDark() ? "Light theme" : "Dark theme";
    };
    button.setAttribute("aria-label", "Dark theme");
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      show();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
    show();
  });
  // Tables are laid out for paper before they are printed, as `.printing` in the style sheet has it.
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    document.querySelectorAll("main details:not(.menu)").forEach(one => { one.open = true; });
  });
  addEventListener("afterprint", () => root.classList.remove("printing"));
}
