"use strict";

// Swagger UI is dark where the root element says so.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// Requests go to where this page comes from, which is all that it may ask, whatever servers the document names.
const here = { url: new URL(".", document.baseURI).href };
const updateJsonSpec = (update) => (contract) => update({ ...contract, servers: [here] });

// What is kept for flaskForms' clients is folded away until somebody, or a link, asks for it.
const isShown = (ask) => (_, what, byDefault) =>
  ask(what, byDefault && String(what) !== "operations-tag,flaskForms");

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  plugins: [
    { statePlugins: { spec: { wrapActions: { updateJsonSpec } }, layout: { wrapSelectors: { isShown } } } },
  ],
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // Tokens stay in this tab, and are gone with it.
  persistAuthorization: false,
  // Otherwise another host would be asked whether the document is valid.
  validatorUrl: null,
});
