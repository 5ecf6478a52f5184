// The studio; or, at ?view=api, Gradio's description of the endpoints, which lies on the same page.

const DOCS = ".api-docs";
const BUTTON = "gradio-app footer button";

if (new URLSearchParams(location.search).get("view") === "api") describe();
else import("./main.js");

/** Gradio shows it when its (hidden) button is pressed, which takes the address for pressed already. */
async function describe() {
  const button = await found(() => document.querySelector(BUTTON));
  button.click();
  await new Promise((resolve) => setTimeout(resolve));
  button.click();
  await found(() => document.querySelector(DOCS));
  await found(() => !document.querySelector(DOCS)); // it was closed
  location.assign(location.pathname);
}

/** What `look` answers, once it is something. */
function found(look) {
  const seen = look();
  if (seen) return Promise.resolve(seen);
  return new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      const now = look();
      if (!now) return;
      observer.disconnect();
      resolve(now);
    });
    observer.observe(document.documentElement, { childList: true, subtree: true });
  });
}
