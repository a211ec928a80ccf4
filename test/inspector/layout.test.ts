// Where the graph puts what: callers before those they call, nothing on top of anything, rings included.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layersOf } from '../../sidecar/admin/page/layers.ts'
import { layOut, type LayoutOptions, type Place } from '../../sidecar/admin/page/layout.ts'

const links = (text: string) =>
  text.split(' ').map((each) => {
    const [from = '', to = ''] = each.split('>')
    return { from, to }
  })

const options: LayoutOptions = {
  direction: 'right',
  node: { width: 118, height: 44 },
  label: { width: 142, height: 58 },
}

const graphs = {
  'a chain': 'users>App App>API API>Ledger',
  'the demo': 'users>App unverified>App batch-job>Ledger App>API App>elsewhere API>Ledger',
  'a short cut': 'users>App App>API API>Ledger users>Ledger App>Ledger',
  'a ring': 'users>A A>B B>C C>A',
  'a ring of its own': 'A>B B>A',
  'a service that calls itself': 'users>A A>A',
  'many callers': 'a>Z b>Z c>Z d>Z e>Z f>Z g>Z h>Z',
  'everybody and everybody': 'A>B A>C A>D B>A B>C B>D C>A C>B C>D D>A D>B D>C',
}

function overlap(a: Place, b: Place): boolean {
  return (
    Math.abs(a.x - b.x) < (a.width + b.width) / 2 - 0.01 &&
    Math.abs(a.y - b.y) < (a.height + b.height) / 2 - 0.01
  )
}

test('callers come before those they call, strangers first, elsewhere last', () => {
  const layers = layersOf(links(graphs['the demo']))
  assert.deepEqual(Object.fromEntries(layers), {
    users: 0,
    unverified: 0,
    'batch-job': 0,
    App: 1,
    API: 2,
    Ledger: 3,
    elsewhere: 3,
  })
})

test('the longest way counts, not the short cut', () => {
  assert.equal(layersOf(links(graphs['a short cut'])).get('Ledger'), 3)
})

test('a ring is opened where it is closed, and begins at whoever is called from outside', () => {
  assert.deepEqual(Object.fromEntries(layersOf(links(graphs['a ring']))), { users: 0, A: 1, B: 2, C: 3 })
})

for (const [name, text] of Object.entries(graphs)) {
  for (const direction of ['right', 'down'] as const) {
    test(`${name}, ${direction}: nothing covers anything, and all is inside`, () => {
      const all = links(text)
      const { nodes, lines, width, height } = layOut(all, { ...options, direction })
      assert.equal(lines.length, all.length)
      const places = [...nodes.values(), ...lines.map(({ label }) => label)]
      for (const [i, a] of places.entries()) {
        assert.ok(a.x - a.width / 2 >= 0 && a.x + a.width / 2 <= width, `beside the drawing: ${a.x}`)
        assert.ok(a.y - a.height / 2 >= 0 && a.y + a.height / 2 <= height, `beside the drawing: ${a.y}`)
        for (const b of places.slice(i + 1)) assert.ok(!overlap(a, b), JSON.stringify([a, b]))
      }
      for (const { path } of lines)
        assert.match(path, /^M-?\d+,-?\d+(C-?\d+,-?\d+ -?\d+,-?\d+ -?\d+,-?\d+)+$/)
    })
  }
}

test('users are at the left, or at the top where there is little width', () => {
  const right = layOut(links(graphs['a chain']), options).nodes
  const down = layOut(links(graphs['a chain']), { ...options, direction: 'down' }).nodes
  const order = ['users', 'App', 'API', 'Ledger']
  const sorted = (places: typeof right, axis: 'x' | 'y') =>
    [...places].sort(([, a], [, b]) => a[axis] - b[axis]).map(([name]) => name)
  assert.deepEqual(sorted(right, 'x'), order)
  assert.deepEqual(sorted(down, 'y'), order)
})

test('nothing to draw is an empty drawing', () => {
  assert.deepEqual(layOut([], options).lines, [])
})
