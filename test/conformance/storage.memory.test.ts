import { memoryStorage } from '../../src/storage/memory/memory.ts';
import { storageConformance } from './storage.ts';

let counter = 0;

storageConformance('memory', () => {
  const storage = memoryStorage();
  return {
    storage,
    reopen: () => storage,
    field: () => {
      const name = `/memory/${++counter}`;
      storage.create(name);
      return {
        name,
        write: (path, content) => storage.write(name, path, content),
        read: (path) => storage.files(name).get(path),
        remove: (path) => storage.remove(name, path),
        paths: () => [...storage.files(name).keys()].toSorted(),
      };
    },
    missing: ['/memory/none', 'tank/none', ''],
    seals: true,
    close: () => undefined,
  };
});
