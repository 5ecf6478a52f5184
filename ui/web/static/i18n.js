// Strings in three languages. English is complete; a key that a language lacks is shown in English.

const BASE = new URL("strings/", import.meta.url);
export const LANGUAGES = { en: "English", zh: "中文", ja: "日本語" };
let strings = {};
let english = {};
let language = "en";

/** Load the strings of the wanted language, or of the first that the browser asks for. */
export async function loadStrings(wanted = localStorage.getItem("layerstudio.language")) {
  const asked = [wanted, ...navigator.languages].filter(Boolean).map((tag) => tag.slice(0, 2));
  language = asked.find((tag) => tag in LANGUAGES) || "en";
  english = await load("en");
  strings = language === "en" ? english : await load(language);
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
}

async function load(tag) {
  const parts = await Promise.all([`${tag}.json`, `editor.${tag}.json`].map((name) => fetch(new URL(name, BASE))));
  return Object.assign({}, ...(await Promise.all(parts.map((part) => part.json()))));
}

export function currentLanguage() {
  return language;
}

/** The page begins anew: every string of it is another. */
export function chooseLanguage(tag) {
  localStorage.setItem("layerstudio.language", tag);
  location.reload();
}

/**
 * The text of a key, with {names} filled in. A key with a `count` has forms: `key.one`, `key.other`.
 * What has no text is shown as its fallback, or as the key itself so that it is noticed.
 */
export function t(key, values = {}, fallback = key) {
  const form = "count" in values ? `${key}.${new Intl.PluralRules(language).select(values.count)}` : key;
  const text = strings[form] ?? strings[`${key}.other`] ?? strings[key] ?? english[form] ?? english[`${key}.other`] ?? english[key] ?? fallback;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export function number(value, options = {}) {
  return new Intl.NumberFormat(language, options).format(value);
}

/** 3.2 MB, in powers of 1000 as file managers show it. */
export function bytes(count) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  const digits = power === 0 ? 0 : 1;
  return number(count / 1000 ** power, { style: "unit", unit: units[power], unitDisplay: "short", maximumFractionDigits: digits });
}

/** 8 s, 3 min, 2 h. */
export function duration(seconds) {
  const [unit, size] = seconds < 90 ? ["second", 1] : seconds < 5400 ? ["minute", 60] : ["hour", 3600];
  const value = Math.max(1, Math.round(seconds / size));
  return number(value, { style: "unit", unit, unitDisplay: "short" });
}
