import { median } from './percentiles.ts'

/** The median of each number of some results of one shape. */
export function medianOf<Shape extends object> (all: Shape[]): Shape {
  const [first] = all
  if (first === undefined) throw new RangeError('There is no median of nothing.')
  return Object.fromEntries(Object.entries(first).map(([key, value]) => {
    const values = all.map(each => (each as Record<string, unknown>)[key])
    return [key, typeof value === 'number' ? median(values as number[]) : medianOf(values as object[])]
  })) as Shape
}
