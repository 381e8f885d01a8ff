/** Of the edge, as `/health` and the API's description say it. */
export { version as VERSION } from '../package.json';
