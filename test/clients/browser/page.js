// In the page: what browsers do beside fetching, each resolving with what the page saw of it.

globalThis.sees = {
  /** What of the page has arrived. */
  page: () => ({
    color: getComputedStyle(document.body).color,
    width: document.images[0].naturalWidth,
    status: performance.getEntriesByType('navigation')[0].responseStatus,
  }),

  /** An upload by XMLHttpRequest: its status, and how far its progress came. */
  xhr: (url, file) =>
    new Promise((resolve) => {
      const request = new XMLHttpRequest()
      let loaded = 0
      request.upload.addEventListener('progress', (event) => (loaded = event.loaded))
      request.addEventListener('loadend', () =>
        resolve({ status: request.status, text: request.responseText, loaded }),
      )
      request.open('POST', url)
      request.send(file)
    }),

  /** Server-sent events; each is confirmed before the app sends the next. */
  events: (count) =>
    new Promise((resolve, reject) => {
      const source = new EventSource('/events')
      const seen = []
      source.addEventListener('message', (event) => {
        seen.push(event.data)
        if (seen.length === count) {
          source.close()
          resolve(seen)
        } else fetch(`/seen?${event.data}`).catch(reject)
      })
    }),

  /** What becomes of a WebSocket: its first message, or how it ended. */
  socket: (url) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url)
      let isOpen = false
      socket.addEventListener('open', () => (isOpen = true))
      socket.addEventListener('message', (event) => resolve({ isOpen, data: event.data }))
      socket.addEventListener('close', ({ code }) => resolve({ isOpen, code }))
    }),

  /** The status of a fetch, or that there was none to see. */
  status: (url, options) =>
    fetch(url, options).then(
      ({ status }) => status,
      ({ name }) => name,
    ),
}
