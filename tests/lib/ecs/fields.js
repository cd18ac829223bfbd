// Prints {field: {type, normalize, allowed_values, ...}}, as JSON.
console.log(JSON.stringify(require('@elastic/ecs').EcsFlat))
