"use strict";

// Credentials stay in this page's memory, the document comes from this address whatever the page's own says, and no
// badge asks a validator on the internet about it.
SwaggerUIBundle({
  dom_id: "#page",
  url: "openapi.json",
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "list",
  persistAuthorization: false,
  queryConfigEnabled: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
