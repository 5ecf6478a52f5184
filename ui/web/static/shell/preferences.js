// Language and theme, kept in this browser.

import { chooseLanguage, currentLanguage, LANGUAGES, t } from "../i18n.js";

const THEME = "layerstudio.theme";

export function languageItems() {
  return Object.entries(LANGUAGES).map(([tag, label]) => ({ label, checked: tag === currentLanguage(), run: () => chooseLanguage(tag) }));
}

export function themeItems() {
  const current = localStorage.getItem(THEME) || "system";
  return ["system", "light", "dark"].map((theme) => ({ label: t(`theme.${theme}`), checked: theme === current, run: () => chooseTheme(theme) }));
}

function chooseTheme(theme) {
  const root = document.documentElement;
  if (theme === "system") {
    localStorage.removeItem(THEME);
    delete root.dataset.theme;
  } else {
    localStorage.setItem(THEME, theme);
    root.dataset.theme = theme;
  }
}
