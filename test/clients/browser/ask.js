// In the page: carries out one ask by the page's own fetch. A body is the file that was chosen last.
globalThis.carryOut = async ({ method, url, headers, bodyFile, leave }) => {
  const leaving = new AbortController()
  const options = { method, headers, signal: leaving.signal, cache: 'no-store' }
  if (bodyFile !== undefined) options.body = [...document.querySelectorAll('input')].at(-1).files[0]
  try {
    const response = await fetch(url, options)
    if (leave) {
      await response.body.getReader().read()
      leaving.abort()
    }
    const content = await response.arrayBuffer()
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', content))
    return {
      status: response.status,
      headers: [...response.headers],
      sha256: hash.toHex(),
      text: response.status < 400 ? '' : new TextDecoder().decode(content),
      error: '',
    }
  } catch (error) {
    return { status: 0, headers: [], sha256: '', text: '', error: `${error.name}: ${error.message}` }
  }
}
