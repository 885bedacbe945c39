import * as fc from 'fast-check';

// By default arrays have ten elements at the most, whatever `maxLength` says: too few for a wire.
fc.configureGlobal({ baseSize: 'medium' });
