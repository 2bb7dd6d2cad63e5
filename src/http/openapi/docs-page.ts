/** The page that shows the OpenAPI document. Everything that it loads comes from this server. */
export const docsPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Intendant: API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<form id="login" class="swagger-ui" hidden style="max-width: 40em; margin: 4em auto">
<h2>This server asks for credentials</h2>
<p><label for="token">Token with the scope v1:read, as <code>intendant credentials add</code> printed it</label></p>
<p><input id="token" type="password" autocomplete="current-password" required style="width: 100%"></p>
<p><button class="btn authorize" type="submit">Show the API</button> <span id="refusal" role="alert"></span></p>
</form>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`

/**
 * Loads the document, with a token where the server asks for one, and sends that token with what is tried out. The token stays in the memory of
 * the page. Requests omit the browser's own credentials: it would open its dialog for user and password.
 */
export const docsScript = `const login = document.getElementById('login')
const refusal = document.getElementById('refusal')

const show = (spec, token) => {
  login.hidden = true
  const ui = SwaggerUIBundle({
    spec,
    dom_id: '#api',
    deepLinking: true,
    docExpansion: 'list',
    requestInterceptor: (request) => {
      request.credentials = 'omit'
      return request
    },
    onComplete: () => {
      if (token !== undefined) ui.preauthorizeApiKey('bearer', token)
    },
  })
}

const load = async (token) => {
  const headers = token === undefined ? {} : { Authorization: 'Bearer ' + token }
  try {
    const response = await fetch('/openapi.json', { headers, credentials: 'omit' })
    if (response.ok) return show(await response.json(), token)
    if (response.status !== 401 && response.status !== 403) throw new Error('the server answered ' + response.status)
    login.hidden = false
    if (token === undefined) return
    refusal.textContent = response.status === 401 ? 'The server does not know this token.' : 'This token lacks the scope v1:read.'
  } catch (error) {
    login.hidden = false
    refusal.textContent = 'The description cannot be loaded: ' + error.message
  }
}

login.addEventListener('submit', (event) => {
  event.preventDefault()
  refusal.textContent = ''
  load(document.getElementById('token').value.trim())
})
load()
`
