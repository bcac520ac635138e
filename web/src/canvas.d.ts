// Written by the build from demo/canvas.

export function mountCanvas(
  element: Element,
  props: { value: object },
  server: { preview(message: object): Promise<string | null>; offers(message: object): Promise<object[]> },
  trigger: (event: string, data: any) => void,
  watch: (name: string, handler: () => void) => void,
): void;
