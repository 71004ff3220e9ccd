"use strict";

// Swagger UI is dark where the root element says so. Both scripts are deferred, so the page's own background is right before.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// Requests go to where this page comes from, which is all that it may ask, whatever servers the document names.
const here = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (update) => (contract) =>
          update({ ...contract, servers: [{ url: new URL(".", document.baseURI).href }] }),
      },
    },
  },
});

const ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  plugins: [here],
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // Tokens stay in this tab, and are gone with it.
  persistAuthorization: false,
  // Otherwise another host would be asked whether the document is valid.
  validatorUrl: null,
  onComplete() {
    // The paths kept for flaskForms' clients are folded away, unless the link leads to one of them.
    if (!location.hash.startsWith("#/flaskForms")) {
      ui.layoutActions.show(["operations-tag", "flaskForms"], false);
    }
  },
});
