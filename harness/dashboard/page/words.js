// Symbols and words come from the server (harness/look.py and words.py): one look everywhere.
let look = { words: {}, scenarios: [] };
let language = navigator.language.startsWith("ko") ? "ko" : "en";

export async function load() {
  look = await (await fetch("/api/look")).json();
  const asked = new URLSearchParams(location.search).get("lang");
  if (asked === "ko" || asked === "en") language = asked;
}

export const scenarios = () => look.scenarios;
export const current = () => language;
export function toggle() { language = language === "en" ? "ko" : "en"; }

export const either = (told) => (told && (told[language] || told.en)) || "";

export function word(name, values = {}) {
  const found = either(look.words[name]) || name;
  return found.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

// {symbol, text} of a state; one that nobody foresaw shows itself.
export function looks(table, name) {
  const found = (look[table] || {})[name];
  return found ? { symbol: found.symbol, text: either(found) } : { symbol: "!", text: String(name) };
}

export const moment = (kind) => look.moment[kind];
export const phase = (name) => name.startsWith("rollback ") ? word("rollback_status", { status: name.slice(9) }) : either(look.phase[name]) || either(look.words[name]) || name;
export const seconds = (value) => (value === null || value === undefined ? "–" : value < 10 ? `${value.toFixed(1)} s` : value < 600 ? `${Math.round(value)} s` : `${Math.floor(value / 60)} min`);
