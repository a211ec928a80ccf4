// The instrument file of Sentry's documentation, with a project that nobody listens for.
import * as Sentry from '@sentry/node'

Sentry.init({ dsn: 'http://key@127.0.0.1:9/1', tracesSampleRate: 1 })
