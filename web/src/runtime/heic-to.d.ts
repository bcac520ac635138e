export { heicTo } from 'heic-to/csp';
