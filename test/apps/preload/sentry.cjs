// Sentry as an app begins with it, with nowhere to report to.
'use strict'
const sentry = require('@sentry/node')

sentry.init({ tracesSampleRate: 1 })
